//! The types that look into `Database` by name: `Tables<"climbs">`, `Tables<{ schema: "ops" }, "shifts">`.

use super::literal::text;

/// The helpers, with the schema that they mean when none is named.
pub(super) fn helpers(default: &str) -> String {
    HELPERS.replace("DEFAULT_SCHEMA", &text(default))
}

const HELPERS: &str = r#"type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, DEFAULT_SCHEMA>]

type SchemaOption = { schema: keyof DatabaseWithoutInternals }

type SchemaOf<Option> = Option extends SchemaOption ? DatabaseWithoutInternals[Option["schema"]] : DefaultSchema

/** The names that may follow `{ schema: … }`; none after a name. */
type NameIn<Option, Names> = Option extends SchemaOption ? Names : never

/** The name that was given: the only argument, or the one after `{ schema: … }`. */
type NameOf<Option, Name> = Option extends SchemaOption ? Name : Option

type RelationsOf<Option> = SchemaOf<Option>["Tables"] & SchemaOf<Option>["Views"]

/** A row of a table or view as it is read. */
export type Tables<
  Option extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"]) | SchemaOption,
  Name extends NameIn<Option, keyof RelationsOf<Option>> = never,
> = RelationsOf<Option>[NameOf<Option, Name> & keyof RelationsOf<Option>] extends { Row: infer Row } ? Row : never

/** A row of a table as it is inserted. */
export type TablesInsert<
  Option extends keyof DefaultSchema["Tables"] | SchemaOption,
  Name extends NameIn<Option, keyof SchemaOf<Option>["Tables"]> = never,
> = SchemaOf<Option>["Tables"][NameOf<Option, Name> & keyof SchemaOf<Option>["Tables"]] extends { Insert: infer Insert }
  ? Insert
  : never

/** The changes of a row of a table. */
export type TablesUpdate<
  Option extends keyof DefaultSchema["Tables"] | SchemaOption,
  Name extends NameIn<Option, keyof SchemaOf<Option>["Tables"]> = never,
> = SchemaOf<Option>["Tables"][NameOf<Option, Name> & keyof SchemaOf<Option>["Tables"]] extends { Update: infer Update }
  ? Update
  : never

/** The labels of an enumeration. */
export type Enums<
  Option extends keyof DefaultSchema["Enums"] | SchemaOption,
  Name extends NameIn<Option, keyof SchemaOf<Option>["Enums"]> = never,
> = SchemaOf<Option>["Enums"][NameOf<Option, Name> & keyof SchemaOf<Option>["Enums"]]

/** The members of a composite type. */
export type CompositeTypes<
  Option extends keyof DefaultSchema["CompositeTypes"] | SchemaOption,
  Name extends NameIn<Option, keyof SchemaOf<Option>["CompositeTypes"]> = never,
> = SchemaOf<Option>["CompositeTypes"][NameOf<Option, Name> & keyof SchemaOf<Option>["CompositeTypes"]]
"#;
