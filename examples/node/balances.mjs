// Keeps a table of the balances of all accounts, equal to the ledger's. RabbitMQ, with amqplib.
//
//     npm ci
//     . .saldo/subscribers/datamart.env
//     node balances.mjs balances.sqlite            # Node 22.13 or newer: it brings SQLite
//
// New events come from a queue of our own, the history from the stream of the ledger. Both carry the
// same messages, each with its position in the ledger's log and that of its predecessor. The position
// of the last event is kept in the table's database and written in the transaction of the event's
// effect, so whatever ends this program, and whenever, each event takes effect once.

import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import amqplib from "amqplib";

const SERVICE = "ledger";
const QUEUE = `${process.env.SALDO_QUEUE_PREFIX}node-balances`;
const BATCH = 200; // events in one transaction, at most
const QUIET_MS = 500; // a batch ends when nothing has come for so long
const LOOK_BACK_MS = 60_000; // how often the history is looked at when nothing comes
const HOUR_S = 3600;
const VERSION = "v1"; // of each type: the versions that we know
const TYPES = new Set([
  "account_opened", "opening_posted", "charges_posted", "charges_adjusted", "penalty_accrued",
  "penalty_corrected", "penalty_written_off", "payment_posted", "payment_reversed",
  "payment_refunded", "payer_kind_changed", "advance_settled", "account_closed",
]);

/** Events between the last one that we have and this one are missing. */
class Gap extends Error {}

/** Going on would be wrong: a person has to look. */
class Stop extends Error {}

/** The table, and how far it has got. */
class Balances {
  constructor(file) {
    this.database = new DatabaseSync(file, { timeout: 60_000 });
    this.database.exec(`
      CREATE TABLE IF NOT EXISTS balances (
        account TEXT PRIMARY KEY, principal INTEGER, penalty INTEGER, advance INTEGER
      );
      CREATE TABLE IF NOT EXISTS reader (position INTEGER, time TEXT);
      INSERT INTO reader SELECT 0, '' WHERE NOT EXISTS (SELECT 1 FROM reader);
    `);
    this.addition = this.database.prepare(`
      INSERT INTO balances VALUES (:account, :principal, :penalty, :advance)
      ON CONFLICT (account) DO UPDATE SET principal = principal + excluded.principal,
        penalty = penalty + excluded.penalty, advance = advance + excluded.advance
    `);
  }

  /** Return the position of the last event in the table, and its time. */
  reached() {
    return this.database.prepare("SELECT position, time FROM reader").get();
  }

  /** Add messages to the table, all or none; throws Gap. */
  apply(messages) {
    this.database.exec("BEGIN IMMEDIATE");
    try {
      let { position, time } = this.reached();
      for (const { properties, content } of messages) {
        const { headers } = properties;
        if (headers.saldo_position <= position) continue; // a duplicate
        if (headers.saldo_predecessor > position) {
          throw new Gap(`between ${position} and ${headers.saldo_position}`);
        }
        this.add(headers, JSON.parse(content));
        ({ saldo_position: position, cloudEvents_time: time } = headers);
      }
      this.database.prepare("UPDATE reader SET position = ?, time = ?").run(position, time);
      this.database.exec("COMMIT");
    } catch (error) {
      this.database.exec("ROLLBACK");
      throw error;
    }
  }

  /** Add the change that an event makes to the balance of its account, in kopecks. */
  add(headers, data) {
    if (!TYPES.has(headers.cloudEvents_type)) return; // newer than this program, and not for it
    if (!headers.cloudEvents_dataschema.endsWith(`/${VERSION}`)) {
      throw new Stop(`This program does not know ${headers.cloudEvents_dataschema}: update it.`);
    }
    if (!data.change) {
      throw new Stop("This history is older than the field `change`: read it over HTTP (../http).");
    }
    // Each later holder of a number has a balance of his own.
    const account = data.tenure ? `${data.account}-${data.tenure}` : data.account;
    this.addition.run({ account, ...data.change });
  }
}

/** Add the messages of a queue to the table until nothing has come for a while. */
async function read(channel, queue, balances, options = {}) {
  let waiting = [];
  let arrived = () => {};
  const { consumerTag } = await channel.consume(
    queue,
    (message) => {
      waiting.push(message); // null: the broker has ended the subscription
      arrived();
    },
    options,
  );
  try {
    for (;;) {
      if (waiting.length < BATCH && !waiting.includes(null)) {
        const timer = new AbortController();
        const before = waiting.length;
        await Promise.race([
          new Promise((resolve) => { arrived = resolve; }),
          sleep(QUIET_MS, undefined, { signal: timer.signal }).catch(() => {}),
        ]);
        timer.abort();
        if (waiting.length > before) continue;
      }
      const batch = waiting.filter((message) => message !== null);
      if (batch.length === 0) return;
      balances.apply(batch);
      channel.ack(batch.at(-1), true); // the effect is stored
      waiting = waiting.slice(batch.length);
    }
  } finally {
    await channel.cancel(consumerTag);
    channel.nackAll(true); // what is not acknowledged comes again
  }
}

/** Add what the stream has and the table has not. */
async function readHistory(channel, balances) {
  const { position, time } = balances.reached();
  // The stream is asked by time; an hour more costs little, and clocks differ.
  const since = { "!": "timestamp", value: Math.floor(Date.parse(time) / 1000) - HOUR_S };
  try {
    await read(channel, `${SERVICE}.stream`, balances, {
      arguments: { "x-stream-offset": position ? since : "first" },
    });
  } catch (error) {
    if (!(error instanceof Gap)) throw error;
    throw new Stop(`The stream has no longer what lies ${error.message}: read it over HTTP (../http).`);
  }
}

/** Read the history, then what comes; returns when the connection is lost. */
async function follow(balances) {
  const connection = await amqplib.connect(process.env.SALDO_AMQP_URL, {
    clientProperties: { connection_name: QUEUE },
  });
  connection.on("error", () => {}); // "close" follows, and what we wait for fails
  try {
    const channel = await connection.createChannel();
    channel.on("error", () => {});
    await channel.prefetch(BATCH);
    // The queue comes before the history: what is published meanwhile waits in it.
    await channel.assertQueue(QUEUE, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.bindQueue(QUEUE, `${SERVICE}.events`, "#");
    for (;;) {
      await readHistory(channel, balances);
      console.log("up to position", balances.reached().position);
      const lookBack = Date.now() + LOOK_BACK_MS;
      try {
        while (Date.now() < lookBack) await read(channel, QUEUE, balances);
      } catch (error) {
        if (!(error instanceof Gap)) throw error;
        console.log("missing:", error.message); // the stream has it
      }
    }
  } finally {
    await connection.close().catch(() => {});
  }
}

const balances = new Balances(process.argv[2]);
for (;;) {
  try {
    await follow(balances);
  } catch (error) {
    if (error instanceof Stop) {
      console.error(error.message);
      process.exit(1);
    }
    console.log("no broker:", error.message);
    await sleep(1000); // it restarts; what we had not acknowledged comes again
  }
}
