//! The TypeScript types of schemas, in the shape that supabase-js takes as `createClient<Database>`: what
//! `supabase gen types typescript` gives for the same schema in PostgreSQL.

mod document;
mod function;
mod helpers;
mod literal;

use std::fmt::Write;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{Cardinality, Catalog, Column, CompositeType, DefaultValue, Relation};
use datatype::{EnumType, Type};

use crate::reach::{is_computed, takes_values};
use literal::{key, text};

/// The version of PostgREST whose dialect is served, for the features that supabase-js offers by it.
const POSTGREST_VERSION: &str = "14";

/// What a generated file begins with.
const JSON: &str = "\
export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

";

/// A member that says that there is none.
const NOTHING: &str = "      [_ in never]: never\n";

/// Why there are no types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeScriptError {
    /// The catalog has no schema of this name.
    #[error("there is no schema {schema:?}; there are {}", known.join(", "))]
    UnknownSchema {
        /// Its name.
        schema: String,
        /// Those that there are, sorted.
        known: Vec<String>,
    },
}

/// The types of `schemas`, whoever may use them. Schemas, relations, columns and enumerations are sorted by name, so
/// that the same catalog always gives the same text. The first of `schemas` is the one that helpers mean when none
/// is named, if there is no `public` among them.
///
/// # Errors
/// When the catalog has no such schema.
pub fn typescript(catalog: &Catalog, schemas: &[&str]) -> Result<String, TypeScriptError> {
    let known = &catalog.snapshot().schemas;
    if let Some(schema) = schemas.iter().find(|schema| !known.contains_key(**schema)) {
        let known = known.keys().map(ToString::to_string).collect();
        return Err(TypeScriptError::UnknownSchema { schema: (*schema).to_owned(), known });
    }
    let mut sorted = schemas.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let default = if sorted.contains(&"public") { "public" } else { schemas.first().copied().unwrap_or("public") };
    let mut out = Out { catalog, schemas: &sorted, text: String::from(JSON) };
    out.database();
    out.text.push_str(&helpers::helpers(default));
    out.constants();
    Ok(out.text)
}

/// What is being written.
struct Out<'a> {
    catalog: &'a Catalog,
    schemas: &'a [&'a str],
    text: String,
}

impl Out<'_> {
    fn line(&mut self, indent: usize, line: &str) {
        // Writing to a string cannot fail.
        let _written = writeln!(self.text, "{:indent$}{line}", "");
    }

    fn database(&mut self) {
        self.line(0, "export type Database = {");
        self.line(2, "// Tells createClient<Database>() which features of the dialect there are");
        self.line(2, "__InternalSupabase: {");
        self.line(4, &format!("PostgrestVersion: {}", text(POSTGREST_VERSION)));
        self.line(2, "}");
        for schema in self.schemas {
            self.schema(schema);
        }
        self.line(0, "}");
        self.line(0, "");
    }

    fn schema(&mut self, schema: &str) {
        let (views, tables): (Vec<_>, Vec<_>) =
            self.catalog.relations_in(schema).cloned().partition(|relation| relation.is_view());
        self.line(2, &format!("{}: {{", key(schema)));
        self.relations("Tables", &tables);
        self.relations("Views", &views);
        self.functions(schema);
        self.enums(schema);
        self.composites(schema);
        self.line(2, "}");
    }

    fn nothing(&mut self, section: &str) {
        self.line(4, &format!("{section}: {{"));
        self.text.push_str(NOTHING);
        self.line(4, "}");
    }

    fn relations(&mut self, section: &str, relations: &[Arc<Relation>]) {
        if relations.is_empty() {
            return self.nothing(section);
        }
        self.line(4, &format!("{section}: {{"));
        for relation in relations {
            self.relation(relation);
        }
        self.line(4, "}");
    }

    fn relation(&mut self, relation: &Relation) {
        let mut columns: Vec<&Column> = relation.columns.iter().collect();
        columns.sort_by(|left, right| left.name.cmp(&right.name));
        self.line(6, &format!("{}: {{", key(&relation.name.name)));
        self.row("Row", &columns, |out, column| (false, out.value(relation, column)));
        if relation.is_writable() {
            self.row("Insert", &columns, |out, column| out.inserted(relation, column));
            self.row("Update", &columns, |out, column| (true, out.written(relation, column)));
        }
        self.relationships(relation);
        self.line(6, "}");
    }

    /// The members of a row: whether each may be left out, and its type.
    fn row(&mut self, name: &str, columns: &[&Column], member: impl Fn(&Self, &Column) -> (bool, String)) {
        self.line(8, &format!("{name}: {{"));
        for column in columns {
            let (is_optional, value) = member(self, column);
            let mark = if is_optional { "?" } else { "" };
            self.line(10, &format!("{}{mark}: {value}", key(&column.name)));
        }
        self.line(8, "}");
    }

    fn inserted(&self, relation: &Relation, column: &Column) -> (bool, String) {
        let is_optional =
            column.is_nullable || column.default != DefaultValue::None || is_computed(self.catalog, relation, column);
        (is_optional, self.written(relation, column))
    }

    /// What a write may give.
    fn written(&self, relation: &Relation, column: &Column) -> String {
        if takes_values(self.catalog, relation, column) { self.value(relation, column) } else { "never".to_owned() }
    }

    fn value(&self, relation: &Relation, column: &Column) -> String {
        let name = match self.catalog.document_schema(&relation.name, &column.name) {
            Some(Ok(schema)) => document::of_schema(schema.text()),
            _ => self.type_name(&column.data_type),
        };
        if column.is_nullable { format!("{name} | null") } else { name }
    }

    /// What the JSON of a type is.
    fn type_name(&self, data_type: &Type) -> String {
        match data_type {
            Type::Boolean => "boolean".to_owned(),
            Type::SmallInteger | Type::Integer | Type::BigInteger | Type::Numeric(_) | Type::Real | Type::Double => {
                "number".to_owned()
            }
            Type::Json | Type::Jsonb => "Json".to_owned(),
            Type::Enum(definition) => self.enum_name(definition),
            Type::Text
            | Type::Varchar(_)
            | Type::Uuid
            | Type::Date
            | Type::Time
            | Type::Timestamp
            | Type::TimestampTz
            | Type::Bytea => "string".to_owned(),
            Type::Native(native) => match &native.kind {
                datatype::NativeKind::Array(element) => match self.type_name(element) {
                    union if union.contains(' ') => format!("({union})[]"),
                    element => format!("{element}[]"),
                },
                datatype::NativeKind::Composite => self.composite_name(&native.name),
                datatype::NativeKind::TextSearch | datatype::NativeKind::Other => named(&native.name.name).to_owned(),
            },
            // As Supabase's generator has it.
            Type::Interval => "unknown".to_owned(),
        }
    }

    /// The member of `Enums`; its labels where its schema is not among those written.
    fn enum_name(&self, definition: &EnumType) -> String {
        let name = &definition.name;
        if self.schemas.contains(&&*name.schema) {
            format!("Database[{}][\"Enums\"][{}]", text(&name.schema), text(&name.name))
        } else {
            union(definition)
        }
    }

    /// The member of `CompositeTypes`, where its schema is among those written.
    fn composite_name(&self, name: &QualifiedName) -> String {
        let is_written =
            self.schemas.contains(&&*name.schema) && self.composites_of(&name.schema).any(|known| known.name == *name);
        if !is_written {
            return "unknown".to_owned();
        }
        format!("Database[{}][\"CompositeTypes\"][{}]", text(&name.schema), text(&name.name))
    }

    /// The composite type that has just these members.
    fn composite(&self, members: &[(Arc<str>, Type)]) -> Option<String> {
        let mut known = self.schemas.iter().flat_map(|schema| self.composites_of(schema));
        let found = known.find(|composite| composite.members == members)?;
        Some(self.composite_name(&found.name))
    }

    fn composites_of(&self, schema: &str) -> impl Iterator<Item = &CompositeType> {
        let composites = self.catalog.snapshot().composites.iter().map(AsRef::as_ref);
        composites.filter(move |composite| &*composite.name.schema == schema)
    }

    fn composites(&mut self, schema: &str) {
        let composites: Vec<CompositeType> = self.composites_of(schema).cloned().collect();
        if composites.is_empty() {
            return self.nothing("CompositeTypes");
        }
        self.line(4, "CompositeTypes: {");
        for composite in composites {
            self.line(6, &format!("{}: {{", key(&composite.name.name)));
            for (name, data_type) in &composite.members {
                self.line(8, &format!("{}: {} | null", key(name), self.type_name(data_type)));
            }
            self.line(6, "}");
        }
        self.line(4, "}");
    }

    /// The foreign keys from here, to tables and to the views that show the columns they lead to.
    fn relationships(&mut self, relation: &Relation) {
        let mut found: Vec<Lead<'_>> = self
            .catalog
            .relationships_from(&relation.name)
            .iter()
            .filter(|relationship| relationship.to.schema == relation.name.schema)
            .filter_map(|relationship| Lead::new(&relationship.cardinality, &relationship.to.name))
            .collect();
        found.sort();
        found.dedup();
        if found.is_empty() {
            return self.line(8, "Relationships: []");
        }
        self.line(8, "Relationships: [");
        for lead in found {
            self.line(10, "{");
            self.line(12, &format!("foreignKeyName: {}", text(lead.constraint)));
            self.line(12, &format!("columns: [{}]", list(&lead.columns)));
            self.line(12, &format!("isOneToOne: {}", lead.is_one_to_one));
            self.line(12, &format!("referencedRelation: {}", text(lead.to)));
            self.line(12, &format!("referencedColumns: [{}]", list(&lead.referenced)));
            self.line(10, "},");
        }
        self.line(8, "]");
    }

    fn enums(&mut self, schema: &str) {
        let enums = self.enums_of(schema);
        if enums.is_empty() {
            return self.nothing("Enums");
        }
        self.line(4, "Enums: {");
        for definition in enums {
            self.line(6, &format!("{}: {}", key(&definition.name.name), union(&definition)));
        }
        self.line(4, "}");
    }

    fn enums_of(&self, schema: &str) -> Vec<Arc<EnumType>> {
        let enums = self.catalog.snapshot().enums.iter();
        let mut enums: Vec<_> = enums.filter(|definition| &*definition.name.schema == schema).cloned().collect();
        enums.sort_by(|left, right| left.name.cmp(&right.name));
        enums
    }

    /// The labels as values, for loops and menus.
    fn constants(&mut self) {
        self.line(0, "");
        self.line(0, "export const Constants = {");
        for schema in self.schemas {
            self.line(2, &format!("{}: {{", key(schema)));
            self.line(4, "Enums: {");
            for definition in self.enums_of(schema) {
                self.line(6, &format!("{}: [{}],", key(&definition.name.name), list(&definition.labels)));
            }
            self.line(4, "},");
            self.line(2, "},");
        }
        self.line(0, "} as const");
    }
}

/// A foreign key as `Relationships` says it, in the order in which they are sorted.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lead<'a> {
    constraint: &'a str,
    to: &'a str,
    columns: Vec<Arc<str>>,
    referenced: Vec<Arc<str>>,
    is_one_to_one: bool,
}

impl<'a> Lead<'a> {
    fn new(cardinality: &'a Cardinality, to: &'a str) -> Option<Self> {
        let (constraint, pairs, is_one_to_one) = match cardinality {
            Cardinality::ManyToOne { constraint, columns } => (constraint, columns, false),
            Cardinality::OneToOne { constraint, columns, is_parent: false } => (constraint, columns, true),
            // The other ends are inferred by the client's types.
            Cardinality::OneToOne { .. }
            | Cardinality::OneToMany { .. }
            | Cardinality::ManyToMany(_)
            | Cardinality::Computed { .. } => return None,
        };
        let (columns, referenced) = pairs.iter().cloned().unzip();
        Some(Self { constraint, to, columns, referenced, is_one_to_one })
    }
}

/// What the JSON of a type is that only a PostgreSQL server has, by its name: as Supabase's generator has it.
fn named(name: &str) -> &'static str {
    match name {
        "citext" | "bpchar" | "timetz" | "vector" => "string",
        "record" => "Record<string, unknown>",
        _ => "unknown",
    }
}

/// `"4a" | "4b"`
fn union(definition: &EnumType) -> String {
    let labels: Vec<String> = definition.labels.iter().map(|label| text(label)).collect();
    if labels.is_empty() { "never".to_owned() } else { labels.join(" | ") }
}

/// `"a", "b"`
fn list(names: &[Arc<str>]) -> String {
    names.iter().map(|name| text(name)).collect::<Vec<_>>().join(", ")
}
