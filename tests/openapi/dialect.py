"""What schemathesis has to know of the PostgREST dialect, beyond what an OpenAPI document can say.

The document says of a filter that it is an operator, a dot and a value; that the value has to be one of the column's type is
PostgreSQL's affair. So good values are made here, from the types that the document tells (`FORMATS`, `Relation`), and
what is refused in spite of them is a failure. What the dialect allows on purpose where JSON Schema would not is
in `is_by_design`, each with its reason; everything else that schemathesis finds is a failure."""

import json
import re

import schemathesis
from hypothesis import strategies as st

DOCUMENT = {}

# Values ----------------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
# What stands in a list or pattern unquoted.
WORD = st.text("abcxyzÄß09 _-", min_size=1, max_size=8)
DATE = st.dates().map(str)
MOMENT = st.datetimes().map(lambda moment: moment.isoformat())
TIME = st.times().map(lambda time: time.isoformat())
ZONED = MOMENT.map(lambda text: f"{text}+02:00")
INTERVAL = st.builds("{} days {}:30:00".format, st.integers(-99, 999), st.integers(0, 23))
BYTES = st.binary(max_size=8).map(lambda data: f"\\x{data.hex()}")

FORMATS = {
    "date": DATE,
    "timestamp without time zone": MOMENT,
    "timestamp with time zone": ZONED,
    "time without time zone": TIME,
    "time with time zone": TIME.map(lambda text: f"{text}+02:00"),
    "interval": INTERVAL,
    "bytea": BYTES,
    "uuid": st.uuids().map(str),
}


def values(column):
    """Texts that are values of a column's type, as a filter writes them; `None` for types that only `is` is asked of."""
    types = column.get("type")
    types = [types] if isinstance(types, str) else types or []
    name = column.get("format", "")
    labels = [label for label in column.get("enum", []) if label is not None]
    if labels:
        return st.sampled_from(labels)
    if name in FORMATS:
        return FORMATS[name]
    if "integer" in types:
        return st.integers(column.get("minimum", 0), column.get("maximum", 9)).map(str)
    if "number" in types:
        return st.decimals(-99, 99, places=1).map(str)
    if "boolean" in types:
        return st.sampled_from(["true", "false"])
    if name == "text" or name.startswith("character varying"):
        return TEXT
    return None


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def filters(column):
    """Conditions on a column."""
    null = st.sampled_from(["is.null", "not.is.null", "is.not_null"])
    value = values(column)
    if value is None:
        return null
    compared = st.builds("{}.{}".format, st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte", "not.eq", "isdistinct"]), value)
    listed = st.builds("{}.({})".format, st.sampled_from(["in", "not.in"]), st.lists(value.map(quoted), min_size=1, max_size=3).map(",".join))
    several = st.builds("eq({}).{{{}}}".format, st.sampled_from(["any", "all"]), st.lists(value.map(quoted), min_size=1, max_size=3).map(",".join))
    found = [null, compared, listed, several]
    if column.get("format") == "text":
        found.append(st.builds("{}.{}*".format, st.sampled_from(["like", "ilike", "not.like"]), WORD))
    return st.one_of(found)


# Parameters ------------------------------------------------------------------------------------------------------------


def properties(schema):
    """The members of a row's schema, through references."""
    if "$ref" in schema:
        return properties(DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= properties(part)
    return found


def required(schema):
    if "$ref" in schema:
        return required(DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
    return [*schema.get("required", []), *(name for part in schema.get("allOf", []) for name in required(part))]


def is_plain(name):
    return re.fullmatch(r"[a-z_][a-z0-9_]*", name) is not None


def selections(row):
    columns = [name for name in row if is_plain(name)]
    if not columns:
        return st.just("*")
    column = st.sampled_from(columns)
    item = st.one_of(
        column,
        st.builds("{}::text".format, column),
        st.builds("alias:{}".format, column),
        st.sampled_from([f"{table}(*)" for table in leads(row)] or ["*"]),
    )
    # With `*` only what brings no column twice.
    more = st.builds("*,alias:{}".format, column)
    return st.one_of(st.just("*"), st.lists(item, min_size=1, max_size=3, unique=True).map(",".join), more)


def leads(row):
    """The relations of this document that foreign keys of a row lead to."""
    notes = " ".join(column.get("description", "") for column in row.values())
    return [table for table in re.findall(r"<fk table='([a-z_]+)'", notes) if f"/{table}" in DOCUMENT["paths"]]


def orders(row):
    columns = [name for name in row if is_plain(name)] or None
    if columns is None:
        return None
    term = st.builds("{}{}{}".format, st.sampled_from(columns), st.sampled_from(["", ".asc", ".desc"]), st.sampled_from(["", ".nullsfirst", ".nullslast"]))
    return st.lists(term, min_size=1, max_size=3).map(",".join)


PREFERENCES = {
    "preferRead": ["count=exact", "count=planned", "count=estimated", "timezone=Europe/Berlin", "handling=lenient", "handling=strict"],
    "preferInsert": ["return=minimal", "return=representation", "return=headers-only", "missing=default", "count=exact",
                     "resolution=merge-duplicates", "resolution=ignore-duplicates", "handling=lenient"],
    "preferWrite": ["return=minimal", "return=representation", "return=headers-only", "count=exact", "max-affected=1000", "handling=strict"],
}


def preferences(key):
    return st.lists(st.sampled_from(PREFERENCES[key]), min_size=1, max_size=3, unique_by=lambda one: one.split("=")[0]).map(", ".join)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Names for each parameter the strategy that makes good values of it. Patterns stay: what breaks them has to be refused."""
    DOCUMENT.clear()
    DOCUMENT.update(json.loads(json.dumps(raw_schema)))
    components = raw_schema["components"]
    relations = {}
    for key, parameter in components["parameters"].items():
        if key.startswith("filter."):
            relation, column = key.removeprefix("filter.").split(".", 1)
            row = properties({"$ref": f"#/components/schemas/{relation}"})
            relations[relation] = row
            make(parameter, f"filter {relation} {parameter['name']}", filters(row.get(parameter["name"], {})))
        elif key in PREFERENCES:
            make(parameter, key, preferences(key))
        elif key == "range":
            make(parameter, key, st.builds("{}-{}".format, st.integers(0, 3), st.one_of(st.just(""), st.integers(3, 30))))
        elif key == "rangeUnit":
            make(parameter, key, st.just("items"))
    for path, item in raw_schema["paths"].items():
        for method, operation in item.items():
            rename(raw_schema, path, method, operation)


def rename(raw_schema, path, method, operation):
    """Selections, orders and columns are of the operation's own relation, so they are no longer shared."""
    answer = row_of(operation)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    given = []
    for parameter in operation.get("parameters", []):
        key = parameter.get("$ref", "").rsplit("/", 1)[-1]
        strategy = None
        if key == "select":
            strategy = selections(answer)
        elif key == "order":
            strategy = orders(answer)
        elif key == "columns":
            needed = required(next(iter(body.get("oneOf", [body])), {}))
            strategy = st.just(",".join(needed)) if needed else None
        elif key == "on_conflict":
            keys = [name for name, column in answer.items() if "<pk/>" in column.get("description", "")]
            strategy = st.just(",".join(keys)) if keys else None
        if key in ("select", "order", "columns", "on_conflict"):
            if strategy is None:
                continue
            parameter = json.loads(json.dumps(raw_schema["components"]["parameters"][key]))
            make(parameter, f"{key} {method} {path}", strategy)
        given.append(parameter)
    if given:
        operation["parameters"] = given


def row_of(operation):
    for status in ("200", "201"):
        answer = operation["responses"].get(status, {})
        if "$ref" in answer:
            answer = DOCUMENT["components"]["responses"][answer["$ref"].rsplit("/", 1)[-1]]
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if "items" in schema:
            return properties(schema["items"])
    return {}


def make(parameter, name, strategy):
    name = re.sub(r"[^a-z0-9_]+", "-", name.lower())
    schemathesis.openapi.format(name, strategy)
    # A member of its own: the schema of all filters is one that is referred to.
    schema = parameter["schema"]
    if "$ref" in schema:
        schema = dict(DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
    parameter["schema"] = {**schema, "format": name}


for format_name, format_strategy in FORMATS.items():
    schemathesis.openapi.format(format_name, format_strategy)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Two kinds of filters come from elsewhere than from `filters`: a link takes the value of a row's column along, without
    an operator; and the coverage phase makes the shortest text of the pattern, `eq.`, which is no number."""
    meta = case.meta
    known = {parameter.name for parameter in case.operation.query if parameter.name not in DIALECT and "pattern" in parameter.definition.get("schema", {})}
    for name, value in (case.query or {}).items():
        if name in known and value == "eq.":
            case.query[name] = "is.null"
        elif name in known and meta is not None and meta.generation.mode.is_positive and not re.match(FILTER, str(value)):
            case.query[name] = f"eq.{value}"
    if meta is not None and meta.generation.mode.is_positive and case.media_type in ("application/json", FORM):
        case.body = written(case.body)
        if case.media_type == FORM and isinstance(case.body, dict):
            case.body = form(case.body, json_columns(case))
        if case.operation.method.upper() == "PUT" and isinstance(case.body, dict):
            # The address names the key that the body has.
            for name in (case.query or {}).keys() & case.body.keys():
                case.query[name] = f"eq.{case.body[name]}"
    if case.media_type == "text/csv" and meta is not None and meta.generation.mode.is_positive:
        # To the document it is text; here it is one row of the columns that have to be given, or that may.
        schema = body_schema(case)
        schema = schema.get("oneOf", [schema])[0]
        row = properties(schema)
        row = {name: row[name] for name in required(schema) or list(row)[:1]}
        case.body = "\n".join([",".join(row), ",".join(example(column) for column in row.values())])


FORM = "application/x-www-form-urlencoded"


def written(body):
    """To JSON Schema `2.0` is an integer, to PostgreSQL it is not."""
    if isinstance(body, list):
        return [written(one) for one in body]
    if isinstance(body, dict):
        return {name: written(value) for name, value in body.items()}
    return int(body) if isinstance(body, float) and body.is_integer() else body


def form(body, is_json):
    """A form cannot say null, and JSON is text in it."""
    given = {name: value for name, value in body.items() if value is not None}
    return {name: json.dumps(value) if name in is_json else value for name, value in given.items()}


def example(column):
    """A value that fits any row, unquoted."""
    types = column.get("type")
    if "enum" in column:
        return column["enum"][0]
    known = {"date": "2024-02-29", "uuid": "11111111-1111-4111-8111-111111111111"}
    if column.get("format") in known:
        return known[column["format"]]
    return "1" if "integer" in (types or []) or "number" in (types or []) else "x"


DIALECT = {"select", "order", "limit", "offset", "columns", "on_conflict"}
FILTER = r"(not\.)?([a-z]+(\([^()]*\))?)\."

# What the dialect allows on purpose ------------------------------------------------------------------------------------


def resolved(schema):
    while "$ref" in schema:
        kind, key = schema["$ref"].split("/")[-2:]
        schema = DOCUMENT["components"][kind][key]
    return schema


def is_castable(value, schema):
    """Whether PostgreSQL casts a JSON value to what the schema describes: `json_to_recordset` reads `"1"` as the number
    and writes anything down as text, where JSON Schema would have an integer or a string."""
    schema = resolved(schema)
    if "oneOf" in schema or "anyOf" in schema:
        return any(is_castable(value, one) for one in schema.get("oneOf", []) + schema.get("anyOf", []))
    if "allOf" in schema:
        known, needed = properties(schema), required(schema)
        schema = {"type": "object", "properties": known, "required": needed}
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if schema.get("properties") is not None and "object" in types:
        # A member that is no column is refused.
        known = schema["properties"]
        if not isinstance(value, dict) or any(name not in known for name in value):
            return False
        given = all(name in value for name in schema.get("required", []))
        return given and all(is_castable(one, known[name]) for name, one in value.items())
    if types == ["array"] and "format" not in schema:
        return isinstance(value, list) and all(is_castable(one, schema["items"]) for one in value)
    if value is None:
        return "null" in types or not types
    if "enum" in schema:
        return value in schema["enum"]
    if "boolean" in types:
        return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in BOOLEANS) or value in (0, 1)
    if "integer" in types or "number" in types:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return False
        return re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*", str(value), re.I) is not None
    if "string" in types and (schema.get("format") == "text" or schema.get("format", "").startswith("character varying")):
        text = value if isinstance(value, str) else json.dumps(value)
        return len(text) <= schema.get("maxLength", len(text))
    # Any other type is read from its text, by rules of its own; any JSON is one of json.
    return isinstance(value, str) or not types


BOOLEANS = {"t", "tr", "tru", "true", "f", "fa", "fal", "fals", "false", "y", "ye", "yes", "n", "no", "on", "of", "off", "1", "0"}


def body_schema(case):
    """What one row of the body is; for a call its arguments."""
    operation = DOCUMENT["paths"].get(case.operation.path, {}).get(case.operation.method.lower(), {})
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def json_columns(case):
    schema = body_schema(case)
    return [name for name, column in properties(schema.get("oneOf", [schema])[0]).items() if "type" not in column]


def is_accepted(case):
    if case.media_type == "text/csv":
        # Whatever was made is sent as text, and text is what a CSV is.
        return True
    body = case.body
    if case.media_type == FORM:
        if not isinstance(body, dict):
            return False
        body = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    if "columns" in (case.query or {}):
        # Where the query names the columns, the others are not looked at.
        names = case.query["columns"].split(",")
        rows = body if isinstance(body, list) else [body]
        body = [{name: value for name, value in row.items() if name in names} if isinstance(row, dict) else row for row in rows]
        body = body if isinstance(case.body, list) else body[0]
    return is_castable(body, body_schema(case))


def code(response):
    """The code of a refusal: also where there is no body, as in the answer to HEAD."""
    told = response.headers.get("proxy-status", [""])[0]
    return told.rpartition("error=")[2]


def is_by_design(failure, case, response):
    kind = type(failure).__name__
    query = case.query or {}
    if kind == "AllowHeaderMismatch":
        # OPTIONS tells what the relation takes from anybody, and the document what the role may do.
        return "Missing documented" not in failure.message
    if kind == "UnsupportedMethodResponse":
        # What a request says is read before it is asked who may: the `limit` of a PUT, the body of a POST.
        # A function is looked for by its arguments first, and may be called by GET where that is no use, too.
        known = [("PUT", "PGRST114"), ("POST", "PGRST102"), ("PATCH", "PGRST102"), ("GET", "PGRST202"), ("HEAD", "PGRST202")]
        is_called = case.operation.path.startswith("/rpc/") and response.request.method in ("GET", "HEAD")
        return (response.request.method, code(response)) in known or code(response) == "55000" or is_called
    if kind == "ServerError":
        # PostgREST's status (recorded: view.014) for a view that cannot be written through, whoever asks.
        return code(response) == "55000"
    if kind == "JsonSchemaError":
        # The schemas show whole rows; `select` chooses, renames and casts columns.
        if re.search(r"[0-9]{309}", response.text):
            # A number beyond what the checker's floats hold, which it takes for null; PostgreSQL's numeric holds it.
            return True
        select = query.get("select", "*")
        return select != "*" and ("is a required property" in failure.message or "::" in select)
    if kind == "AcceptedNegativeData":
        # What no row takes is not looked at: an update that finds none, with whatever values.
        finds_none = response.request.method == "PATCH" and response.headers.get("content-range", [""])[0].startswith("*/")
        return bool(case.operation.body) and (finds_none or is_accepted(case))
    if kind in ("MissingContentType", "MalformedJson"):
        # OpenAPI cannot say of one status that its body is there when `Prefer: return=representation` asks for it.
        return not response.content and "return=representation" not in (case.headers or {}).get("Prefer", "")
    if kind == "RejectedPositiveData":
        # What CHECK constraints say is not in the document; and JSON Schema cannot say that all rows of an array have the same members.
        if code(response) == "23514" or (isinstance(case.body, list) and "All object keys must match" in response.text):
            return True
        # The document has no type for any JSON, and so none without null, which the column may not be.
        if code(response) == "23502" and any(f'column \\"{name}\\"' in response.text for name in json_columns(case)):
            return True
        # What a view's table needs is not the view's to say.
        if code(response) == "23502" and f'relation \\"{case.operation.path.strip("/")}\\"' not in response.text:
            return True
        # A function may refuse what it is given: an overflow, a division by zero, a constraint, an error of its own; text
        # that is to be JSON is a text to the document.
        is_its_own = code(response)[:2] in ("23", "P0") or code(response) in ("22003", "22012")
        is_its_own = is_its_own or (code(response) == "22P02" and ("type json" in response.text or response.request.method == "HEAD"))
        return case.operation.path.startswith("/rpc/") and is_its_own
    return False


@schemathesis.hook
def filter_failure(context, failure, case, response):
    return not is_by_design(failure, case, response)
