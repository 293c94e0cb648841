//! What `tests/differential/schema.sql` has, as far as a request needs it.

/// The type of a column, as far as values of it are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Date,
    Double,
    Integer,
    Json,
    Moment,
    Mood,
    Numeric,
    Text,
    Uuid,
}

/// A table or a view.
#[derive(Debug)]
pub struct Relation {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
    /// What makes an order total.
    pub key: &'static [&'static str],
    /// What can be embedded: how it is written, the relation, whether several rows come.
    pub embeds: &'static [(&'static str, &'static str, bool)],
    /// Whether rows can be written.
    pub is_written: bool,
}

use Kind::{Boolean, Date, Double, Integer, Json, Moment, Mood, Numeric, Text, Uuid};

/// Every relation; those that are asked more often come first.
pub const RELATIONS: [Relation; 9] = [
    Relation {
        name: "people",
        columns: &[
            ("id", Integer),
            ("team", Integer),
            ("mentor", Integer),
            ("name", Text),
            ("nick", Text),
            ("mood", Mood),
            ("age", Integer),
            ("height", Double),
            ("born", Date),
            ("seen", Moment),
            ("mail", Text),
            ("tag", Uuid),
            ("facts", Json),
            ("active", Boolean),
            ("label", Text),
        ],
        key: &["id"],
        embeds: &[
            ("teams!people_team_fkey", "teams", false),
            ("teams!members", "teams", true),
            ("members", "members", true),
            ("tasks", "tasks", true),
            ("mentor", "people", false),
            ("people!mentor", "people", true),
            ("memos", "memos", true),
            ("pay", "pay", false),
            ("teams", "teams", true),
            ("projects", "projects", true),
        ],
        is_written: true,
    },
    Relation {
        name: "tasks",
        columns: &[
            ("id", Integer),
            ("team", Integer),
            ("number", Integer),
            ("owner", Integer),
            ("title", Text),
            ("done", Boolean),
            ("points", Integer),
            ("due", Moment),
            ("extra", Json),
            ("doubled", Integer),
        ],
        key: &["id"],
        embeds: &[
            ("projects", "projects", false),
            ("people", "people", false),
            ("owner", "people", false),
            ("active_people", "active_people", false),
        ],
        is_written: true,
    },
    Relation {
        name: "teams",
        columns: &[
            ("id", Integer),
            ("name", Text),
            ("parent", Integer),
            ("budget", Numeric),
            ("founded", Date),
            ("settings", Json),
            ("open", Boolean),
        ],
        key: &["id"],
        embeds: &[
            ("people!people_team_fkey", "people", true),
            ("people!members", "people", true),
            ("projects", "projects", true),
            ("members", "members", true),
            ("parent", "teams", false),
            ("teams", "teams", true),
            ("active_people!people_team_fkey", "active_people", true),
        ],
        is_written: true,
    },
    Relation {
        name: "projects",
        columns: &[
            ("team", Integer),
            ("number", Integer),
            ("title", Text),
            ("cost", Numeric),
            ("weight", Integer),
            ("state", Mood),
        ],
        key: &["team", "number"],
        embeds: &[("teams", "teams", false), ("tasks", "tasks", true)],
        is_written: true,
    },
    Relation {
        name: "members",
        columns: &[("person", Integer), ("team", Integer), ("since", Date), ("share", Numeric)],
        key: &["person", "team"],
        embeds: &[("people", "people", false), ("teams", "teams", false)],
        is_written: true,
    },
    Relation {
        name: "memos",
        columns: &[("id", Integer), ("owner", Uuid), ("person", Integer), ("title", Text), ("shared", Boolean)],
        key: &["id"],
        embeds: &[("people", "people", false)],
        is_written: true,
    },
    Relation {
        name: "pay",
        columns: &[("person", Integer), ("grade", Text), ("salary", Numeric)],
        key: &["person"],
        embeds: &[("people", "people", false)],
        is_written: true,
    },
    Relation {
        name: "active_people",
        columns: &[
            ("id", Integer),
            ("name", Text),
            ("team", Integer),
            ("age", Integer),
            ("mood", Mood),
            ("facts", Json),
        ],
        key: &["id"],
        embeds: &[("teams!people_team_fkey", "teams", false), ("tasks", "tasks", true), ("memos", "memos", true)],
        is_written: false,
    },
    Relation {
        name: "team_sizes",
        columns: &[("id", Integer), ("name", Text), ("people", Integer), ("oldest", Integer), ("height", Double)],
        key: &["id"],
        embeds: &[],
        is_written: false,
    },
];

/// The relation of that name.
pub fn relation(name: &str) -> &'static Relation {
    RELATIONS.iter().find(|relation| relation.name == name).expect("embeds lead to what is there")
}
