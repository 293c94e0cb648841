//! What the rows of a relation look like, read and written.

use catalog::{Cardinality, Catalog, Column, DefaultValue, Expression, Privilege, Relation, cut_comment};
use datatype::{Type, Zone};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Reference;
use crate::members::Members;
use crate::name;
use crate::reach::{Reach, is_computed};

/// The columns of a relation that the role may use, by what for.
pub(super) struct Columns<'r> {
    pub(super) read: Vec<&'r Column>,
    pub(super) inserted: Vec<&'r Column>,
    pub(super) updated: Vec<&'r Column>,
}

impl<'r> Columns<'r> {
    pub(super) fn new(relation: &'r Relation, reach: &Reach<'_>) -> Self {
        Self {
            read: reach.columns(relation, Privilege::Select),
            inserted: reach.written(relation, Privilege::Insert),
            updated: reach.written(relation, Privilege::Update),
        }
    }

    /// Whether rows can be put where their key says: all of the key can be read, inserted and updated.
    pub(super) fn take_put(&self, relation: &Relation) -> bool {
        let holds = |columns: &[&Column]| {
            relation.primary_key.iter().all(|key| columns.iter().any(|column| column.name == *key))
        };
        !relation.primary_key.is_empty() && [&self.read, &self.inserted, &self.updated].into_iter().all(|c| holds(c))
    }
}

/// A schema of the components: of rows, or one of the dialect.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Schema {
    Shared(serde_json::Value),
    Row(Row),
    Required {
        #[serde(rename = "allOf")]
        all_of: [Reference; 1],
        #[serde(skip_serializing_if = "Vec::is_empty")]
        required: Vec<String>,
    },
}

/// The schema of one row.
#[derive(Serialize)]
pub(super) struct Row {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required: Vec<String>,
    properties: Members<Property>,
    /// `false` of what is written: a member that is no column is refused (PGRST204), unless the query names the columns.
    #[serde(rename = "additionalProperties", skip_serializing_if = "Option::is_none")]
    others: Option<bool>,
}

/// The schema of one column's values.
#[derive(Serialize)]
pub(super) struct Property {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<Types>,
    format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<Option<String>>>,
    #[serde(rename = "maxLength", skip_serializing_if = "Option::is_none")]
    max_length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Box<RawValue>>,
    #[serde(rename = "readOnly", skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
    /// What its documents have to look like.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    document: Option<Document>,
}

/// A schema of documents, or it and null.
#[derive(Serialize)]
enum Document {
    #[serde(rename = "allOf")]
    One([Reference; 1]),
    #[serde(rename = "anyOf")]
    OrNull((Reference, OnlyNull)),
}

#[derive(Serialize)]
struct OnlyNull {
    r#type: &'static str,
}

/// One type, or it and null.
#[derive(Serialize)]
#[serde(untagged)]
enum Types {
    One(&'static str),
    OrNull([&'static str; 2]),
}

/// The keys of a relation's schemas.
pub(super) fn key(relation: &Relation) -> String {
    name::component(&relation.name.name)
}

/// What is inserted: `climbs.insert`.
pub(super) fn insert_key(relation: &Relation) -> String {
    format!("{}.insert", key(relation))
}

/// What is changed: `climbs.update`.
pub(super) fn update_key(relation: &Relation) -> String {
    format!("{}.update", key(relation))
}

/// The key of the schema of a column's documents: `climbs.json.details`.
fn document_key(relation: &Relation, column: &Column) -> String {
    format!("{}.json.{}", key(relation), name::component(&column.name))
}

/// A schema of documents as it stands among others. It is a resource of its own: what it refers to lies in itself.
fn document(relation: &Relation, column: &Column, catalog: &Catalog) -> Option<Schema> {
    let Some(Ok(schema)) = catalog.document_schema(&relation.name, &column.name) else { return None };
    let mut text = schema.text().clone();
    if let serde_json::Value::Object(members) = &mut text {
        let address = format!("urn:pando:json:{}", document_key(relation, column));
        members.entry("$id").or_insert_with(|| address.into());
    }
    Some(Schema::Shared(text))
}

/// A whole row, the changes of a row, and a new row, as far as the role may. Where the same columns may be changed and
/// inserted, as they nearly always may, a new row is said as the changes with some of them required.
pub(super) fn schemas(relation: &Relation, columns: &Columns<'_>, catalog: &Catalog) -> Members<Schema> {
    let mut schemas = Members::new();
    for column in &relation.columns {
        let is_shown = [&columns.read, &columns.inserted, &columns.updated]
            .iter()
            .any(|shown| shown.iter().any(|known| known.name == column.name));
        if let Some(schema) = document(relation, column, catalog).filter(|_| is_shown) {
            schemas.put(document_key(relation, column), schema);
        }
    }
    if !columns.read.is_empty() {
        let required = required(&columns.read, |column| !column.is_nullable);
        schemas.put(key(relation), Schema::Row(Row::new(relation, &columns.read, required, catalog)));
    }
    if !columns.updated.is_empty() {
        schemas
            .put(update_key(relation), Schema::Row(Row::new(relation, &columns.updated, Vec::new(), catalog).closed()));
    }
    if !columns.inserted.is_empty() {
        let required =
            required(&columns.inserted, |column| !column.is_nullable && column.default == DefaultValue::None);
        let is_same = columns.inserted.iter().map(|column| &column.name).eq(columns.updated.iter().map(|c| &c.name));
        let schema = if is_same {
            Schema::Required { all_of: [Reference::new("schemas", update_key(relation))], required }
        } else {
            Schema::Row(Row::new(relation, &columns.inserted, required, catalog).closed())
        };
        schemas.put(insert_key(relation), schema);
    }
    schemas
}

fn required(columns: &[&Column], is_required: impl Fn(&Column) -> bool) -> Vec<String> {
    columns.iter().filter(|column| is_required(column)).map(|column| column.name.to_string()).collect()
}

impl Row {
    fn new(relation: &Relation, columns: &[&Column], required: Vec<String>, catalog: &Catalog) -> Self {
        let properties = columns.iter().map(|column| (column.name.to_string(), property(relation, column, catalog)));
        let properties = properties.collect();
        Self { r#type: "object", description: relation.comment.clone(), required, properties, others: None }
    }

    fn closed(self) -> Self {
        Self { others: Some(false), ..self }
    }
}

fn property(relation: &Relation, column: &Column, catalog: &Catalog) -> Property {
    let default = match &column.default {
        DefaultValue::Expression(default) => default_value(&column.data_type, default),
        _ => None,
    };
    Property {
        description: description(relation, column, catalog),
        read_only: is_computed(catalog, relation, column),
        document: document(relation, column, catalog).map(|_| refer(relation, column)),
        ..property_of(&column.data_type, column.is_nullable, default)
    }
}

fn refer(relation: &Relation, column: &Column) -> Document {
    let reference = Reference::new("schemas", document_key(relation, column));
    if column.is_nullable {
        Document::OrNull((reference, OnlyNull { r#type: "null" }))
    } else {
        Document::One([reference])
    }
}

/// The schema of a type's values.
pub(super) fn property_of(data_type: &Type, is_nullable: bool, default: Option<Box<RawValue>>) -> Property {
    let labels = match data_type {
        Type::Enum(definition) => {
            let labels = definition.labels.iter().map(|label| Some(label.to_string()));
            Some(labels.chain(is_nullable.then_some(None)).collect())
        }
        _ => None,
    };
    let types = |name| if is_nullable { Types::OrNull([name, "null"]) } else { Types::One(name) };
    Property {
        r#type: json_type(data_type).map(types),
        format: format(data_type),
        description: None,
        labels,
        max_length: match data_type {
            Type::Varchar(length) => *length,
            _ => None,
        },
        minimum: integers(data_type).map(|(least, _)| least),
        maximum: integers(data_type).map(|(_, most)| most),
        default,
        read_only: false,
        document: None,
    }
}

/// The bounds of an integer type.
fn integers(data_type: &Type) -> Option<(i64, i64)> {
    Some(match data_type {
        Type::SmallInteger => (i16::MIN.into(), i16::MAX.into()),
        Type::Integer => (i32::MIN.into(), i32::MAX.into()),
        Type::BigInteger => (i64::MIN, i64::MAX),
        _ => return None,
    })
}

/// The type of the JSON that the values are; `None` where any JSON is one.
fn json_type(data_type: &Type) -> Option<&'static str> {
    Some(match data_type {
        Type::Boolean => "boolean",
        Type::SmallInteger | Type::Integer | Type::BigInteger => "integer",
        Type::Numeric(_) | Type::Real | Type::Double => "number",
        Type::Json | Type::Jsonb => return None,
        Type::Text
        | Type::Varchar(_)
        | Type::Uuid
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::TimestampTz
        | Type::Interval
        | Type::Bytea
        | Type::Enum(_) => "string",
        Type::Native(native) => match &native.kind {
            datatype::NativeKind::Array(_) => "array",
            datatype::NativeKind::Composite => "object",
            datatype::NativeKind::TextSearch | datatype::NativeKind::Other => "string",
        },
    })
}

/// PostgreSQL's name of the type, as PostgREST gives it; an enumeration with its schema.
fn format(data_type: &Type) -> String {
    match data_type {
        Type::Enum(definition) => definition.name.to_string(),
        other => other.to_string(),
    }
}

/// A default that is a plain value; what is computed anew every time has no JSON.
pub(super) fn default_value(data_type: &Type, default: &Expression) -> Option<Box<RawValue>> {
    let Expression::Value { value, data_type: found, .. } = default else { return None };
    if found.without_modifier() != data_type.without_modifier() {
        return None;
    }
    let mut json = Vec::new();
    datatype::write_json(data_type, value.as_ref(), &Zone::default(), &mut json);
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

/// The comment, and PostgREST's notes on keys, which its clients read.
fn description(relation: &Relation, column: &Column, catalog: &Catalog) -> Option<String> {
    let comment = said(column);
    let is_key = relation.primary_key.contains(&column.name);
    let mut notes: Vec<String> = Vec::new();
    if is_key {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    notes.extend(foreign_key(relation, column, catalog));
    if notes.is_empty() {
        return comment;
    }
    let note = format!("Note:\n{}", notes.join("\n"));
    Some(match comment {
        Some(comment) => format!("{comment}\n\n{note}"),
        None => note,
    })
}

/// The comment on a column, without the schema in it.
pub(super) fn said(column: &Column) -> Option<String> {
    let said = cut_comment(column.comment.as_deref()?).0;
    (!said.is_empty()).then(|| said.to_owned())
}

/// Where a foreign key of this column alone leads; to a table rather than to a view over it.
fn foreign_key(relation: &Relation, column: &Column, catalog: &Catalog) -> Option<String> {
    let leads = catalog.relationships_from(&relation.name).iter().filter_map(|relationship| {
        let columns = match &relationship.cardinality {
            Cardinality::ManyToOne { columns, .. } => columns,
            Cardinality::OneToOne { columns, is_parent: false, .. } => columns,
            _ => return None,
        };
        let [(own, theirs)] = columns.as_slice() else { return None };
        let is_view = catalog.relation(&relationship.to).is_none_or(|target| target.is_view());
        (*own == column.name).then_some((is_view, &relationship.to.name, theirs))
    });
    let (_, table, theirs) = leads.min_by_key(|(is_view, table, _)| (*is_view, (*table).clone()))?;
    Some(format!("This is a Foreign Key to `{table}.{theirs}`.<fk table='{table}' column='{theirs}'/>"))
}
