//! `CREATE FUNCTION ... LANGUAGE sql`, `ALTER FUNCTION`, `DROP FUNCTION`.

use std::sync::Arc;

use base::{QualifiedName, Signature};
use catalog::{Argument, Expression, Function, Returns, Routine, RoutineResult, Volatility};
use datatype::Type;
use sqlparser::ast::{
    ArgMode, CreateFunction, CreateFunctionBody, DataType, Expr, FunctionBehavior, FunctionCalledOnNull,
    FunctionReturnType, FunctionSecurity, ObjectName, OperateFunctionArg, Spanned, Statement, Value,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::expression::{Analyzer, Context};
use super::problem::{Outcome, Problem};
use super::routine_body::Body;
use super::tokens::{Cursor, Piece};
use super::translation::Translation;
use super::{dependents, inline, names, trigger_body, types};

/// The most arguments, as on PostgreSQL (`FUNC_MAX_ARGS`).
const MOST_ARGUMENTS: usize = 100;

const NO_CODE: &str = "instead, write it as LANGUAGE sql with SELECT, INSERT, UPDATE and DELETE statements, or do it in \
                       the program that calls the API";

/// A function whose body no longer fits its tables.
fn broken(signature: &Signature, why: &str) -> Problem {
    let message = format!("the function {signature} would no longer work: {why}");
    Problem::invalid(super::problem::NOWHERE, message)
        .instead("DROP FUNCTION before it, and create it again afterwards")
}

/// What `RETURNS` and the arguments' modes say together.
type Column = (Arc<str>, Type);

impl Translation {
    /// Makes a function, or replaces it.
    pub(super) fn create_function(&mut self, piece: &Piece) -> Outcome<()> {
        let piece = without_estimates(piece)?;
        let Statement::CreateFunction(create) = piece.parse()? else {
            return Err(Problem::invalid(piece.at, "this is not a function"));
        };
        let at = create.name.span().start;
        let name = names::qualified(&create.name)?;
        if !self.snapshot.schemas.contains_key(&name.schema) {
            return Err(Problem::invalid(at, format!("schema \"{}\" does not exist", name.schema)));
        }
        let language = create.language.as_ref().map_or_else(|| "sql".to_owned(), names::identifier);
        if is_trigger(create.return_type.as_ref()) {
            return self.create_trigger_function(&create, name, &language, at);
        }
        if language != "sql" {
            return Err(Problem::refused(
                at,
                format!("LANGUAGE {language}"),
                "the embedded engine runs functions in LANGUAGE sql only, and PL/pgSQL for triggers of the common kind",
                NO_CODE,
            ));
        }
        let routine = self.read_function(&create, name, at)?;
        self.keep_function(routine, create.or_replace, at)
    }

    fn read_function(&self, create: &CreateFunction, name: QualifiedName, at: Location) -> Outcome<Routine> {
        check_settings(create, at)?;
        let declared = create.args.as_deref().unwrap_or_default();
        let arguments = self.arguments(declared, at)?;
        let outputs = self.outputs(declared, at)?;
        let returns = self.returns(create.return_type.as_ref(), outputs, at)?;
        let signature =
            Signature { name, arguments: arguments.iter().map(|argument| type_name(&argument.data_type)).collect() };
        let volatility = match create.behavior {
            Some(FunctionBehavior::Immutable) => Volatility::Immutable,
            Some(FunctionBehavior::Stable) => Volatility::Stable,
            Some(FunctionBehavior::Volatile) | None => Volatility::Volatile,
        };
        let mut routine = Routine {
            signature,
            arguments,
            returns,
            volatility,
            is_security_definer: matches!(create.security, Some(FunctionSecurity::Definer)),
            is_strict: matches!(
                create.called_on_null,
                Some(FunctionCalledOnNull::Strict | FunctionCalledOnNull::ReturnsNullOnNullInput)
            ),
            body: Vec::new(),
            source: String::new(),
            comment: None,
            executors: vec![Arc::from("public")],
            native: None,
        };
        let (source, start) = match &create.function_body {
            Some(CreateFunctionBody::AsBeforeOptions { body, link_symbol: None }) => body_text(body)?,
            // `RETURN expression` is a body of one query.
            Some(CreateFunctionBody::Return(expr)) => (format!("SELECT {expr}"), expr.span().start),
            Some(_) => return Err(Problem::invalid(at, "write the body as AS $$ ... $$ or RETURN expression")),
            None => return Err(Problem::invalid(at, "no function body specified")),
        };
        routine.body = Body { snapshot: &self.snapshot, routine: &routine, level: None }.statements(&source, start)?;
        routine.source = source;
        check_current_user(&routine, at)?;
        check_strict(&routine, at)?;
        if let Some(command) = routine.write()
            && routine.volatility != Volatility::Volatile
        {
            let message = format!("{command} is not allowed in a non-volatile function");
            return Err(Problem::invalid(at, message).instead("declare it VOLATILE"));
        }
        Ok(routine)
    }

    /// Puts it into the catalog; one that is replaced keeps its grants and its comment.
    fn keep_function(&mut self, mut routine: Routine, or_replace: bool, at: Location) -> Outcome<()> {
        let signature = routine.signature.clone();
        if let Some(before) = self.snapshot.routines.get(&signature) {
            if !or_replace {
                return Err(Problem::invalid(
                    at,
                    format!("function \"{}\" already exists with same argument types", signature.name.name),
                )
                .instead("write CREATE OR REPLACE FUNCTION"));
            }
            if before.returns != routine.returns {
                return Err(Problem::invalid(at, "cannot change return type of existing function")
                    .instead(format!("write DROP FUNCTION {signature} before it")));
            }
            let names =
                |routine: &Routine| routine.arguments.iter().map(|argument| argument.name.clone()).collect::<Vec<_>>();
            if names(before) != names(&routine) {
                return Err(Problem::invalid(at, "cannot change the names of a function's arguments")
                    .instead(format!("write DROP FUNCTION {signature} before it")));
            }
            routine.executors.clone_from(&before.executors);
            routine.comment.clone_from(&before.comment);
        } else {
            self.default_executors(&mut routine);
        }
        let users = self.views_calling(&signature);
        self.snapshot.routines.insert(signature.clone(), Arc::new(routine));
        self.check_calls_itself(&signature, at)?;
        self.check_sizes(at)?;
        self.remake_views(users, at)?;
        self.remake_triggers()
    }

    /// The functions that read or write a relation, or return its rows.
    pub(super) fn routines_using(&self, name: &QualifiedName) -> Vec<Signature> {
        let uses = |routine: &&Arc<Routine>| dependents::uses(routine, name);
        self.snapshot.routines.values().filter(uses).map(|routine| routine.signature.clone()).collect()
    }

    /// Reads the bodies of functions anew, since a table that they name has changed; with them, what they return.
    pub(super) fn reread_routines(&mut self, routines: &[Signature]) -> Outcome<()> {
        for signature in routines {
            let Some(before) = self.snapshot.routines.get(signature) else { continue };
            let mut routine = (**before).clone();
            if let RoutineResult::Row { columns, relation: Some(name) } = &mut routine.returns.result {
                let Some(relation) = self.snapshot.relations.get(name) else {
                    return Err(broken(signature, "the table whose rows it returns is gone"));
                };
                *columns =
                    relation.columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect();
            }
            let start = Location { line: 1, column: 1 };
            let body =
                Body { snapshot: &self.snapshot, routine: &routine, level: None }.statements(&routine.source, start);
            routine.body = body.map_err(|problem| broken(signature, problem.message()))?;
            self.snapshot.routines.insert(signature.clone(), Arc::new(routine));
        }
        Ok(())
    }

    fn default_executors(&self, routine: &mut Routine) {
        let schema = &routine.signature.name.schema;
        for change in &self.snapshot.default_executors {
            if change.schema.as_ref().is_some_and(|named| named != schema) {
                continue;
            }
            routine.executors.retain(|role| *role != change.role);
            if change.is_granted {
                routine.executors.push(change.role.clone());
            }
        }
    }

    /// A function that calls itself would never end where its body is put in its place.
    fn check_calls_itself(&self, signature: &Signature, at: Location) -> Outcome<()> {
        let mut open = vec![signature.clone()];
        let mut next = 0;
        while let Some(current) = open.get(next).cloned() {
            next += 1;
            let Some(routine) = self.snapshot.routines.get(&current) else { continue };
            for called in inline::calls_of(routine) {
                if called == *signature {
                    return Err(Problem::refused(
                        at,
                        "a function that calls itself",
                        "recursion is not available on the embedded engine",
                        "instead, ask level by level in the program that calls the API",
                    ));
                }
                if !open.contains(&called) {
                    open.push(called);
                }
            }
        }
        Ok(())
    }

    /// No function becomes too large with the bodies of those that it calls: the new one, or one that calls it.
    fn check_sizes(&self, at: Location) -> Outcome<()> {
        for routine in self.snapshot.routines.values() {
            if let Some(query) = routine.query() {
                inline::expanded_query(query, &self.snapshot)
                    .map_err(|problem| problem.within(at, "CREATE FUNCTION"))?;
            }
        }
        Ok(())
    }

    fn arguments(&self, declared: &[OperateFunctionArg], at: Location) -> Outcome<Vec<Argument>> {
        let mut arguments: Vec<Argument> = Vec::new();
        for argument in declared.iter().filter(|argument| !matches!(argument.mode, Some(ArgMode::Out))) {
            let at = argument.name.as_ref().map_or(at, |name| name.span.start);
            if matches!(argument.mode, Some(ArgMode::Variadic)) {
                return Err(Problem::refused(
                    at,
                    "VARIADIC",
                    "arrays are not available on the embedded engine yet",
                    "instead, take one jsonb argument",
                ));
            }
            let data_type = self.argument_type(&argument.data_type, at)?;
            let default = match &argument.default_expr {
                None if arguments.iter().any(|before| before.default.is_some()) => {
                    return Err(Problem::invalid(
                        at,
                        "input parameters after one with a default value must also have defaults",
                    ));
                }
                None => None,
                Some(expr) => {
                    let mut analyzer = Analyzer::new(&self.snapshot, Context::Default, None);
                    let default = analyzer.assigned(expr, &data_type, "the argument")?;
                    if trigger_body::is_volatile(&default) {
                        return Err(Problem::refused(
                            at,
                            "a default that is new every time",
                            "the embedded engine would compute it wherever the argument is used",
                            "instead, compute it in the body",
                        ));
                    }
                    Some(default)
                }
            };
            let name = argument.name.as_ref().map(|name| Arc::from(names::identifier(name)));
            if name.is_some() && arguments.iter().any(|before| before.name == name) {
                return Err(Problem::invalid(at, "a name of an argument is used more than once"));
            }
            arguments.push(Argument { name, data_type, default });
        }
        if arguments.len() > MOST_ARGUMENTS {
            return Err(Problem::invalid(at, format!("functions cannot have more than {MOST_ARGUMENTS} arguments")));
        }
        Ok(arguments)
    }

    fn argument_type(&self, data_type: &DataType, at: Location) -> Outcome<Type> {
        if let Some(relation) = self.row_type(data_type) {
            return Err(Problem::refused(
                at,
                format!("an argument of the row type {}", relation.name.name),
                "computed fields and values of row types are not available on the embedded engine",
                "instead, take the key as an argument, or add the column to a view",
            ));
        }
        types::resolve(&self.snapshot, data_type, at).map(|data_type| data_type.without_modifier())
    }

    /// The columns that `OUT` and `INOUT` arguments make.
    fn outputs(&self, declared: &[OperateFunctionArg], at: Location) -> Outcome<Vec<Column>> {
        let mut columns: Vec<Column> = Vec::new();
        for argument in declared.iter().filter(|argument| matches!(argument.mode, Some(ArgMode::Out | ArgMode::InOut)))
        {
            let number = columns.len() + 1;
            let name = argument.name.as_ref().map_or_else(|| format!("column{number}"), names::identifier);
            columns.push((Arc::from(name), self.argument_type(&argument.data_type, at)?));
        }
        Ok(columns)
    }

    fn returns(&self, declared: Option<&FunctionReturnType>, outputs: Vec<Column>, at: Location) -> Outcome<Returns> {
        let (data_type, is_set) = match declared {
            None if outputs.is_empty() => return Err(Problem::invalid(at, "function result type must be specified")),
            None => return Ok(Returns { result: output_row(outputs), is_set: false }),
            Some(FunctionReturnType::DataType(DataType::Table(Some(columns)))) => {
                let columns = columns
                    .iter()
                    .map(|column| {
                        Ok((Arc::from(names::identifier(&column.name)), self.argument_type(&column.data_type, at)?))
                    })
                    .collect::<Outcome<Vec<Column>>>()?;
                return Ok(Returns { result: output_row(columns), is_set: true });
            }
            Some(FunctionReturnType::DataType(data_type)) => (data_type, false),
            Some(FunctionReturnType::SetOf(data_type)) => (data_type, true),
        };
        let word = bare_word(data_type);
        if !outputs.is_empty() {
            // With OUT arguments, RETURNS can only say the same again: record, or the type of the single one.
            return Ok(Returns { result: output_row(outputs), is_set });
        }
        if let Some(relation) = self.row_type(data_type) {
            let columns =
                relation.columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect();
            let result = RoutineResult::Row { columns, relation: Some(relation.name.clone()) };
            return Ok(Returns { result, is_set });
        }
        if word.as_deref() == Some("void") {
            return Ok(Returns { result: RoutineResult::Void, is_set: false });
        }
        if word.as_deref() == Some("record") {
            return Err(Problem::refused(
                at,
                "RETURNS record",
                "the columns would stay unsaid",
                "instead, RETURNS TABLE (name type, ...)",
            ));
        }
        let data_type = types::resolve(&self.snapshot, data_type, at)?.without_modifier();
        Ok(Returns { result: RoutineResult::Value(data_type), is_set })
    }

    /// The table or view whose rows a type names.
    fn row_type(&self, data_type: &DataType) -> Option<&Arc<catalog::Relation>> {
        let DataType::Custom(name, modifiers) = data_type else { return None };
        let name = names::qualified(name).ok().filter(|_| modifiers.is_empty())?;
        self.snapshot.relations.get(&name)
    }

    /// `DROP FUNCTION name(types), ...`
    pub(super) fn drop_function(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["DROP"])?;
        let _ = cursor.takes(&["FUNCTION"]) || cursor.takes(&["ROUTINE"]) || cursor.takes(&["PROCEDURE"]);
        let if_exists = cursor.takes(&["IF", "EXISTS"]);
        let named = cursor.list(|cursor| named_function(cursor))?;
        let _ = cursor.takes(&["RESTRICT"]) || cursor.takes(&["CASCADE"]);
        cursor.end()?;
        for function in named {
            if self.drop_trigger_function(&function)? {
                continue;
            }
            let Some(signature) = self.find_function(&function, if_exists)? else { continue };
            let users = self.users_of(&signature);
            if !users.is_empty() {
                let message = format!(
                    "cannot drop function {signature} because other objects depend on it: {}",
                    users.join(", ")
                );
                return Err(Problem::invalid(function.at, message).instead("drop those first"));
            }
            self.snapshot.routines.remove(&signature);
        }
        self.remake_triggers()
    }

    /// `ALTER FUNCTION name(types) ...`
    pub(super) fn alter_function(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["ALTER"])?;
        let _ = cursor.takes(&["FUNCTION"]) || cursor.takes(&["ROUTINE"]) || cursor.takes(&["PROCEDURE"]);
        let function = named_function(&mut cursor)?;
        if cursor.takes(&["OWNER", "TO"]) {
            return Ok(());
        }
        if self.is_trigger_function(&function) {
            return Err(Problem::refused(
                function.at,
                "ALTER FUNCTION",
                "trigger functions cannot be altered on the embedded engine",
                "instead, write CREATE OR REPLACE FUNCTION with the change",
            ));
        }
        let Some(signature) = self.find_function(&function, false)? else { return Ok(()) };
        let Some(routine) = self.snapshot.routines.get(&signature) else { return Ok(()) };
        let mut routine = (**routine).clone();
        if cursor.takes(&["RENAME", "TO"]) {
            let (name, at) = cursor.identifier("a name")?;
            cursor.end()?;
            return self.rename_function(&signature, routine, &name, at);
        }
        while !cursor.is_at_end() {
            alter_option(&mut cursor, &mut routine)?;
        }
        check_current_user(&routine, function.at)?;
        if let Some(command) = routine.write()
            && routine.volatility != Volatility::Volatile
        {
            return Err(Problem::invalid(function.at, format!("{command} is not allowed in a non-volatile function")));
        }
        let views = self.views_calling(&signature);
        self.snapshot.routines.insert(signature, Arc::new(routine));
        self.remake_views(views, function.at)?;
        self.remake_triggers()
    }

    fn rename_function(
        &mut self,
        signature: &Signature,
        mut routine: Routine,
        name: &str,
        at: Location,
    ) -> Outcome<()> {
        let users = self.users_of(signature);
        if !users.is_empty() {
            let message =
                format!("cannot rename function {signature} because other objects depend on it: {}", users.join(", "));
            return Err(Problem::invalid(at, message).instead("drop those first, and create them again afterwards"));
        }
        routine.signature.name.name = Arc::from(name);
        if self.snapshot.routines.contains_key(&routine.signature) {
            return Err(Problem::invalid(at, format!("function {} already exists", routine.signature)));
        }
        self.snapshot.routines.remove(signature);
        self.snapshot.routines.insert(routine.signature.clone(), Arc::new(routine));
        Ok(())
    }

    /// The function that a statement names; without a list of types there must be only one of that name.
    pub(super) fn find_function(&self, function: &NamedFunction, if_exists: bool) -> Outcome<Option<Signature>> {
        let missing = |shown: &str| {
            if if_exists {
                Ok(None)
            } else {
                Err(Problem::invalid(function.at, format!("function {shown} does not exist")))
            }
        };
        let Some(arguments) = &function.arguments else {
            let named: Vec<&Signature> =
                self.snapshot.routines.keys().filter(|signature| signature.name == function.name).collect();
            return match named.as_slice() {
                [] => missing(&format!("{}()", function.name.name)),
                [only] => Ok(Some((*only).clone())),
                _ => Err(Problem::invalid(
                    function.at,
                    format!("function name \"{}\" is not unique", function.name.name),
                )
                .instead("write the types of its arguments: name(type, ...)")),
            };
        };
        let arguments = arguments
            .iter()
            .map(|data_type| self.argument_type(data_type, function.at).map(|found| type_name(&found)))
            .collect::<Outcome<Vec<_>>>()?;
        let signature = Signature { name: function.name.clone(), arguments };
        if self.snapshot.routines.contains_key(&signature) {
            return Ok(Some(signature));
        }
        missing(&signature.to_string())
    }
}

/// A function as `DROP`, `ALTER`, `GRANT` and `COMMENT` name it.
pub(super) struct NamedFunction {
    pub(super) name: QualifiedName,
    /// The types of its input arguments, where they were written.
    pub(super) arguments: Option<Vec<DataType>>,
    pub(super) at: Location,
}

/// `name` or `schema.name(type, name type, ...)`
pub(super) fn named_function(cursor: &mut Cursor<'_>) -> Outcome<NamedFunction> {
    let (parts, at) = cursor.name("a function")?;
    let name = names::from_parts(&parts).ok_or_else(|| Problem::invalid(at, "a name has at most two parts"))?;
    let Some(inside) = cursor.parenthesized()? else { return Ok(NamedFunction { name, arguments: None, at }) };
    if inside.is_empty() {
        return Ok(NamedFunction { name, arguments: Some(Vec::new()), at });
    }
    // The parser knows arguments only as part of a whole statement.
    let text = "CREATE FUNCTION f() RETURNS void";
    let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| Problem::invalid(at, error.message))?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let close = tokens.iter().position(|token| token.token == Token::RParen).unwrap_or(tokens.len());
    tokens.splice(close..close, inside.iter().cloned());
    let piece = Piece { tokens, at };
    let Statement::CreateFunction(CreateFunction { args, .. }) = piece.parse()? else {
        return Err(Problem::invalid(at, "the types of the arguments are not readable"));
    };
    let inputs = args.unwrap_or_default().into_iter().filter(|argument| !matches!(argument.mode, Some(ArgMode::Out)));
    Ok(NamedFunction { name, arguments: Some(inputs.map(|argument| argument.data_type).collect()), at })
}

fn alter_option(cursor: &mut Cursor<'_>, routine: &mut Routine) -> Outcome<()> {
    if cursor.takes(&["SECURITY", "DEFINER"]) {
        routine.is_security_definer = true;
    } else if cursor.takes(&["SECURITY", "INVOKER"]) {
        routine.is_security_definer = false;
    } else if cursor.takes(&["IMMUTABLE"]) {
        routine.volatility = Volatility::Immutable;
    } else if cursor.takes(&["STABLE"]) {
        routine.volatility = Volatility::Stable;
    } else if cursor.takes(&["VOLATILE"]) {
        routine.volatility = Volatility::Volatile;
    } else if cursor.takes(&["STRICT"]) || cursor.takes(&["RETURNS", "NULL", "ON", "NULL", "INPUT"]) {
        routine.is_strict = true;
    } else if cursor.takes(&["CALLED", "ON", "NULL", "INPUT"]) {
        routine.is_strict = false;
    } else if cursor.takes(&["SET"]) {
        let (name, at) = cursor.identifier("a setting")?;
        check_setting(&name, at)?;
        while !cursor.is_at_end() {
            cursor.skip();
        }
    } else {
        return Err(cursor.unexpected("an option of ALTER FUNCTION that is available on the embedded engine"));
    }
    Ok(())
}

/// Whether a strict function runs is known only where its arguments are.
fn check_strict(routine: &Routine, at: Location) -> Outcome<()> {
    let is_computed = |argument: &Argument| {
        argument.default.as_ref().is_some_and(|default| !matches!(default, Expression::Value { .. }))
    };
    if !routine.is_strict || !routine.arguments.iter().any(is_computed) {
        return Ok(());
    }
    Err(Problem::refused(
        at,
        "a computed default of a STRICT function",
        "whether it is NULL is not known before the function runs on the embedded engine",
        "instead, a constant default, or leave STRICT out",
    ))
}

/// With its owner's rights a function runs as its owner, who has no name here.
fn check_current_user(routine: &Routine, at: Location) -> Outcome<()> {
    let mut asks = false;
    for statement in &routine.body {
        statement.visit(&mut |part| {
            asks |= matches!(part, Expression::Call { function: Function::CurrentUser, .. });
        });
    }
    if !(asks && routine.is_security_definer) {
        return Ok(());
    }
    Err(Problem::refused(
        at,
        "current_user in a SECURITY DEFINER function",
        "it would be the function's owner, who has no name on the embedded engine",
        "instead, use auth.role(), or declare the function SECURITY INVOKER",
    ))
}

/// The name by which a type stands in a signature.
pub(super) fn type_name(data_type: &Type) -> Arc<str> {
    Arc::from(data_type.without_modifier().to_string())
}

fn output_row(columns: Vec<Column>) -> RoutineResult {
    RoutineResult::Row { columns, relation: None }
}

fn is_trigger(declared: Option<&FunctionReturnType>) -> bool {
    match declared {
        Some(FunctionReturnType::DataType(data_type)) => {
            matches!(data_type, DataType::Trigger) || bare_word(data_type).as_deref() == Some("trigger")
        }
        _ => false,
    }
}

fn bare_word(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            let parts = names::parts(name).ok()?;
            match parts.as_slice() {
                [word] => Some(word.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The text between the quotes, and where it begins.
pub(super) fn body_text(expr: &Expr) -> Outcome<(String, Location)> {
    if let Expr::Value(value) = expr {
        let start = value.span.start;
        match &value.value {
            Value::DollarQuotedString(text) => {
                let tag = text.tag.as_ref().map_or(0, |tag| tag.chars().count());
                return Ok((text.value.clone(), Location { line: start.line, column: start.column + tag as u64 + 2 }));
            }
            Value::SingleQuotedString(text) => {
                return Ok((text.clone(), Location { line: start.line, column: start.column + 1 }));
            }
            _ => {}
        }
    }
    Err(Problem::invalid(expr, "the body of a function is a string: AS $$ ... $$"))
}

/// Only a search path can be set: names without a schema mean `public` here.
pub(super) fn check_settings(create: &CreateFunction, at: Location) -> Outcome<()> {
    create.set_params.iter().try_for_each(|parameter| check_setting(&setting_name(&parameter.name), at))
}

fn setting_name(name: &ObjectName) -> String {
    names::parts(name).unwrap_or_default().join(".")
}

fn check_setting(name: &str, at: Location) -> Outcome<()> {
    if name == "search_path" {
        return Ok(());
    }
    Err(Problem::refused(
        at,
        format!("SET {name}"),
        "settings of a function have no meaning on the embedded engine",
        "remove it",
    ))
}

/// Takes `COST n`, `ROWS n` and `[NOT] LEAKPROOF` out, which tell PostgreSQL's optimizer something and the parser nothing.
fn without_estimates(piece: &Piece) -> Outcome<Piece> {
    let word = |index: usize| match piece.tokens.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    let mut kept = Vec::with_capacity(piece.tokens.len());
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(token) = piece.tokens.get(index) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_number = matches!(piece.tokens.get(index + 1).map(|next| &next.token), Some(Token::Number(..)));
        match word(index).as_str() {
            "COST" | "ROWS" if depth == 0 && is_number => index += 2,
            "LEAKPROOF" if depth == 0 => index += 1,
            "NOT" if depth == 0 && word(index + 1) == "LEAKPROOF" => index += 2,
            "BEGIN" if depth == 0 && word(index + 1) == "ATOMIC" => {
                return Err(Problem::refused(
                    token.span,
                    "BEGIN ATOMIC",
                    "the body is read as one string on the embedded engine",
                    "instead, AS $$ ... $$ with the same statements",
                ));
            }
            _ => {
                kept.push(token.clone());
                index += 1;
            }
        }
    }
    Ok(Piece { tokens: kept, at: piece.at })
}
