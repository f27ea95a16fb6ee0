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
//
// Where the ledger has lost the end of its log, in a failover or a restore, the messages after the
// loss are of another epoch. What the table has of the lost events is undone then.

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
      CREATE TABLE IF NOT EXISTS changes (
        position INTEGER, account TEXT, principal INTEGER, penalty INTEGER, advance INTEGER
      );
      CREATE INDEX IF NOT EXISTS changes_of_account ON changes (account);
      CREATE INDEX IF NOT EXISTS changes_by_position ON changes (position);
      CREATE TABLE IF NOT EXISTS reader (position INTEGER, epoch TEXT, time TEXT);
      INSERT INTO reader SELECT 0, '', '' WHERE NOT EXISTS (SELECT 1 FROM reader);
      CREATE TABLE IF NOT EXISTS past_epochs (epoch TEXT PRIMARY KEY);
    `);
    this.addition = this.database.prepare(`
      INSERT INTO balances VALUES (:account, :principal, :penalty, :advance)
      ON CONFLICT (account) DO UPDATE SET principal = principal + excluded.principal,
        penalty = penalty + excluded.penalty, advance = advance + excluded.advance
    `);
    this.change = this.database.prepare(
      "INSERT INTO changes VALUES (:position, :account, :principal, :penalty, :advance)",
    );
  }

  /** Return the position of the last event in the table, its epoch, and its time. */
  reached() {
    return this.database.prepare("SELECT position, epoch, time FROM reader").get();
  }

  /**
   * Add messages to the table, all or none; throws Gap.
   * With `history` they come in the order of the stream, nothing left out between them.
   */
  apply(messages, history) {
    this.database.exec("BEGIN IMMEDIATE");
    try {
      let { position, epoch, time } = this.reached();
      const past = new Set(
        this.database.prepare("SELECT epoch FROM past_epochs").all().map((row) => row.epoch),
      );
      for (const { properties, content } of messages) {
        const { headers } = properties;
        const next = headers.saldo_epoch ?? "1";
        if (past.has(next)) continue; // a duplicate, or lost
        if (epoch && next !== epoch) {
          // Which message is the first of an epoch, the stream tells.
          if (!history) throw new Gap(`between ${position} and epoch ${next}`);
          this.database.prepare("INSERT INTO past_epochs VALUES (?)").run(epoch);
          past.add(epoch);
          position = Math.min(position, headers.saldo_predecessor);
          this.undo(position);
        }
        epoch = next;
        if (headers.saldo_position <= position) continue; // a duplicate
        if (headers.saldo_predecessor > position) {
          throw new Gap(`between ${position} and ${headers.saldo_position}`);
        }
        this.add(headers, JSON.parse(content));
        ({ saldo_position: position, cloudEvents_time: time } = headers);
      }
      this.database
        .prepare("UPDATE reader SET position = ?, epoch = ?, time = ?")
        .run(position, epoch, time);
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
    this.change.run({ position: headers.saldo_position, account, ...data.change });
  }

  /** Take off what events after a position have added: they are lost, and did not happen. */
  undo(position) {
    this.database.prepare(`
      UPDATE balances SET principal = balances.principal - lost.principal,
        penalty = balances.penalty - lost.penalty, advance = balances.advance - lost.advance
      FROM (SELECT account, sum(principal) AS principal, sum(penalty) AS penalty,
              sum(advance) AS advance
            FROM changes WHERE position > ? GROUP BY account) AS lost
      WHERE lost.account = balances.account
    `).run(position);
    this.database.prepare("DELETE FROM changes WHERE position > ?").run(position);
    this.database.exec(`
      DELETE FROM balances
      WHERE NOT EXISTS (SELECT 1 FROM changes WHERE changes.account = balances.account)
    `);
  }
}

/** Add the messages of a queue to the table until nothing has come for a while. */
async function read(channel, queue, balances, options = {}, history = false) {
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
      balances.apply(batch, history);
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
    const from = { arguments: { "x-stream-offset": position ? since : "first" } };
    await read(channel, `${SERVICE}.stream`, balances, from, true);
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
