// Prints what the AsyncAPI parser finds in a document, as JSON: node asyncapi.mjs FILE
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const found = await new Parser().validate(readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify(found.map(({ code, message, path }) => ({ code, message, path }))));
