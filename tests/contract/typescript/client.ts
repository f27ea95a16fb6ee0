// A client of the API as a stranger writes it, with types generated from the description.
// The contract tests compile it; what it relies on, the description must say.

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

type Receipt = components["schemas"]["Receipt"];
type Problem = components["schemas"]["Problem"];

/** What a person types on the way from an e-mail to a receipt. */
export interface Person {
  email: string;
  code(registrationId: string): Promise<string>;
  temporaryPassword(): Promise<string>;
  newPassword: string;
  account: string;
  proof: string;
  enterCard(url: string): Promise<void>;
}

export class Refused extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

function done<T>(result: { data?: T; error?: Problem }): T {
  if (result.error !== undefined) throw new Refused(result.error);
  if (result.data === undefined) throw new Error("neither a result nor a problem");
  return result.data;
}

export async function payAndRead(baseUrl: string, person: Person): Promise<Receipt> {
  const api = createClient<paths>({ baseUrl });

  const { registration_id } = done(
    await api.POST("/api/v1/registrations", {
      body: { person_type: "individual", email: person.email },
    }),
  );
  done(
    await api.POST("/api/v1/registrations/{registration_id}/confirm", {
      params: { path: { registration_id } },
      body: {
        code: await person.code(registration_id),
        accept_rules: true,
        consent_personal_data: true,
      },
    }),
  );

  const temporary = await person.temporaryPassword();
  const signedIn = done(
    await api.POST("/api/v1/sessions", { body: { email: person.email, password: temporary } }),
  );
  let token = signedIn.token;
  api.use({
    onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${token}`);
      return request;
    },
  });
  if (signedIn.must_change_password) {
    const changed = done(
      await api.PUT("/api/v1/me/password", {
        body: { current_password: temporary, new_password: person.newPassword },
      }),
    );
    token = changed.token;
  }

  const linked = await api.POST("/api/v1/accounts", {
    body: { number: person.account, proof: person.proof },
  });
  // The codes are types: a code that linking never refuses with does not compile here.
  if (linked.error?.code !== "already_linked") done(linked);

  const { accounts } = done(await api.GET("/api/v1/payments/due"));
  const started = done(
    await api.POST("/api/v1/payments", {
      params: { header: { "Idempotency-Key": crypto.randomUUID() } },
      body: { lines: accounts.map(({ account, amount, penalty }) => ({ account, amount, penalty })) },
    }),
  );
  if (started.redirect_url !== null) await person.enterCard(started.redirect_url);

  const path = { payment_id: started.payment_id };
  const payment = done(
    await api.GET("/api/v1/payments/{payment_id}", { params: { path, query: { refresh: true } } }),
  );
  const kopecks: number = payment.lines.reduce((sum, line) => sum + line.amount + line.penalty, 0);
  if (kopecks !== started.total) throw new Error("the lines do not add up to the total");

  return done(await api.GET("/api/v1/payments/{payment_id}/receipt", { params: { path } }));
}
