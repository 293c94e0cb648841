/// The tables of bench/schema as collections that anybody may read, and climbs that anybody may add.
migrate((app) => {
  const open = { type: "base", listRule: "", viewRule: "" };
  const text = (name) => ({ name, type: "text", required: true });
  const number = (name) => ({ name, type: "number", onlyInt: true });
  const to = (name, collection) => ({ name, type: "relation", collectionId: collection.id, maxSelect: 1, required: true });

  const route = new Collection({ ...open, name: "route", fields: [text("name"), text("grade"), number("metres")] });
  app.save(route);
  const climbs = new Collection({
    ...open,
    name: "climbs",
    createRule: "",
    fields: [
      text("name"), to("route_id", route), { name: "sent", type: "bool" }, { ...number("attempts"), min: 1, max: 99 },
      { name: "climbed_at", type: "date" }, { name: "note", type: "text" },
    ],
    indexes: ["CREATE INDEX climbs_route_idx ON climbs (route_id)"],
  });
  app.save(climbs);
  app.save(new Collection({
    ...open,
    name: "comments",
    fields: [to("climb_id", climbs), text("body"), number("stars")],
    indexes: ["CREATE INDEX comments_climb_idx ON comments (climb_id)"],
  }));
});
