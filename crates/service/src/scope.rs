//! What an API key is bound to. It only takes away: grants and row security are asked as well.

use base::{Caller, CallerKey, Failure, Footprint, KeyScope, Kind, QualifiedName};
use http::Method;
use rest::{ApiRequest, Target};

/// Whether a key may be used with a method; `GET` stands for `HEAD`, and nobody is kept from asking for options.
pub(crate) fn admit_method(key: Option<&CallerKey>, method: &Method) -> Result<(), Failure> {
    let Some(KeyScope { methods: Some(methods), .. }) = key.map(|key| &key.scope) else { return Ok(()) };
    let asked = if method == Method::HEAD { "GET" } else { method.as_str() };
    if method == Method::OPTIONS || methods.iter().any(|allowed| **allowed == *asked) {
        return Ok(());
    }
    Err(forbidden(&format!("This API key may not be used with the method {method}")))
}

/// Whether the caller's key may be told of what a request is about that asks for no rows.
pub(crate) fn admit_description(caller: &Caller, request: &ApiRequest) -> Result<(), Failure> {
    let Some(scope) = scope(caller).filter(|scope| scope.relations.is_some()) else { return Ok(()) };
    match &request.target {
        Target::Root => Err(forbidden("This API key may not be used for the description of the API")),
        Target::Relation(name) | Target::Routine(name) => {
            admit_name(scope, &QualifiedName::new(request.schema.clone(), name.as_str()))
        }
    }
}

/// Whether the caller's key may be used for everything that the request names.
pub(crate) fn admit(caller: &Caller, footprint: &Footprint) -> Result<(), Failure> {
    let Some(scope) = scope(caller) else { return Ok(()) };
    footprint.named.iter().try_for_each(|name| admit_name(scope, name))
}

fn admit_name(scope: &KeyScope, name: &QualifiedName) -> Result<(), Failure> {
    let Some(relations) = &scope.relations else { return Ok(()) };
    let is_allowed = relations.iter().any(|allowed| {
        allowed.schema == name.schema && allowed.name.as_ref().is_none_or(|allowed| *allowed == name.name)
    });
    if is_allowed { Ok(()) } else { Err(forbidden(&format!("This API key may not be used for {name}"))) }
}

fn scope(caller: &Caller) -> Option<&KeyScope> {
    caller.key.as_ref().map(|key| &key.scope)
}

fn forbidden(message: &str) -> Failure {
    Failure::new(Kind::Forbidden, "PANDO403", message)
        .with_hint("It is bound to some tables or methods; `pando keys api list` shows to which")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::{Claims, ScopedName};

    use super::*;

    fn caller(relations: Option<&[(&str, Option<&str>)]>, methods: Option<&[&str]>) -> Caller {
        let scoped = |(schema, name): &(&str, Option<&str>)| ScopedName {
            schema: Arc::from(*schema),
            name: name.map(Arc::from),
        };
        let scope = KeyScope {
            relations: relations.map(|names| names.iter().map(scoped).collect()),
            methods: methods.map(|methods| methods.iter().map(|method| Arc::from(*method)).collect()),
        };
        let key = Some(Arc::new(CallerKey { id: "id".into(), scope, quota: None, is_bound: false }));
        Caller { role: "anon".into(), claims: Arc::new(Claims::default()), is_anonymous: true, key }
    }

    #[test]
    fn a_scope_takes_away() {
        let footprint = |names: &[&str]| Footprint {
            named: names.iter().map(|name| QualifiedName::new("public", *name)).collect(),
            ..Footprint::default()
        };
        for (relations, names, expected) in [
            (None, &["climbs", "routes"][..], true),
            (Some(&[("public", None)][..]), &["climbs", "routes"], true),
            (Some(&[("public", Some("climbs"))]), &["climbs"], true),
            (Some(&[("public", Some("climbs"))]), &["climbs", "routes"], false),
            (Some(&[("public", Some("climbs")), ("public", Some("routes"))]), &["climbs", "routes"], true),
            (Some(&[("ops", None)]), &["climbs"], false),
            (Some(&[]), &["climbs"], false),
        ] {
            let outcome = admit(&caller(relations, None), &footprint(names));
            assert_eq!(outcome.is_ok(), expected, "{relations:?} {names:?}");
            assert!(outcome.is_ok() || outcome.is_err_and(|failure| failure.kind == Kind::Forbidden));
        }
        let anybody = Caller { key: None, ..caller(None, None) };
        admit(&anybody, &footprint(&["climbs"])).unwrap();
    }

    #[test]
    fn methods_are_those_that_are_named() {
        for (methods, method, expected) in [
            (None, Method::DELETE, true),
            (Some(&["GET"][..]), Method::GET, true),
            (Some(&["GET"]), Method::HEAD, true),
            (Some(&["GET"]), Method::OPTIONS, true),
            (Some(&["GET"]), Method::POST, false),
            (Some(&["POST", "PATCH"]), Method::PATCH, true),
            (Some(&["POST"]), Method::HEAD, false),
            (Some(&[]), Method::GET, false),
        ] {
            assert_eq!(
                admit_method(caller(None, methods).key.as_deref(), &method).is_ok(),
                expected,
                "{methods:?} {method}"
            );
        }
    }
}
