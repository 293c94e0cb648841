// The benchmark's endpoints with Fastify and pg, as a good engineer would write them who needs only these: a pool, prepared statements,
// answers written by their schemas. `node server.js FOLDER-OF-THE-SOCKET PORT CONNECTIONS`.
import Fastify from "fastify";
import pg from "pg";

const [host, port, connections] = process.argv.slice(2);
// bigint: the ids here are far below 2^53.
pg.types.setTypeParser(20, Number);
const pool = new pg.Pool({ host, user: "plain", database: "postgres", max: Number(connections) });
const app = Fastify({ logger: false });

const COLUMNS = "id, name, route_id, sent, attempts, climbed_at, note";
const integer = { type: "integer" };
const text = { type: "string" };
const maybe = { type: ["string", "null"] };
const rows = (properties) => ({ response: { 200: { type: "array", items: { type: "object", properties } } } });
const climb = {
  id: integer, name: text, route_id: integer, sent: { type: "boolean" }, attempts: integer, climbed_at: { ...text, format: "date-time" },
  note: maybe,
};
const withAll = {
  id: integer, name: text, sent: { type: "boolean" },
  route: { type: "object", properties: { id: integer, name: text, grade: text } },
  comments: { type: "array", items: { type: "object", properties: { id: integer, body: text, stars: integer } } },
};
const page = { type: "object", properties: { after: integer, limit: { ...integer, maximum: 1000 } }, required: ["after", "limit"] };

app.get("/climbs/:id", { schema: { params: { type: "object", properties: { id: integer } }, ...rows(climb) } }, async (request) => {
  const found = await pool.query({ name: "point", text: `SELECT ${COLUMNS} FROM climbs WHERE id = $1`, values: [request.params.id] });
  return found.rows;
});

app.get("/climbs", { schema: { querystring: page, ...rows(climb) } }, async (request) => {
  const { after, limit } = request.query;
  const list = `SELECT ${COLUMNS} FROM climbs WHERE id > $1 ORDER BY id LIMIT $2`;
  return (await pool.query({ name: "list", text: list, values: [after, limit] })).rows;
});

app.get("/climbs-with-all", { schema: { querystring: page, ...rows(withAll) } }, async (request) => {
  const { after, limit } = request.query;
  const outer = `SELECT climbs.id, climbs.name, climbs.sent, route.id AS route_id, route.name AS route_name, route.grade
    FROM climbs JOIN route ON route.id = climbs.route_id WHERE climbs.id > $1 ORDER BY climbs.id LIMIT $2`;
  const inner = "SELECT climb_id, id, body, stars FROM comments WHERE climb_id = ANY ($1)";
  const climbs = (await pool.query({ name: "outer", text: outer, values: [after, limit] })).rows;
  const said = (await pool.query({ name: "inner", text: inner, values: [climbs.map((row) => row.id)] })).rows;
  const byClimb = new Map(climbs.map((row) => [row.id, []]));
  for (const comment of said) byClimb.get(comment.climb_id).push(comment);
  return climbs.map((row) => ({
    id: row.id, name: row.name, sent: row.sent, route: { id: row.route_id, name: row.route_name, grade: row.grade },
    comments: byClimb.get(row.id),
  }));
});

const newClimb = {
  type: "object", required: ["name", "route_id"],
  properties: { name: text, route_id: integer, sent: { type: "boolean", default: false }, attempts: { ...integer, default: 1 }, note: maybe },
};
app.post("/climbs", { schema: { body: newClimb } }, async (request, reply) => {
  const { name, route_id, sent, attempts, note } = request.body;
  const insert = "INSERT INTO climbs (name, route_id, sent, attempts, note) VALUES ($1, $2, $3, $4, $5)";
  await pool.query({ name: "insert", text: insert, values: [name, route_id, sent, attempts, note] });
  return reply.code(201).send();
});

await app.listen({ host: "127.0.0.1", port: Number(port) });
