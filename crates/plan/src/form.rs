//! The form of the answer: which of the media types that the client accepts it is. The dialect has its own; on a PostgreSQL
//! server the schema may have others, or give those in its own way (PostgREST's "Media Type Handlers").

use std::sync::Arc;

use base::QualifiedName;
use catalog::{MediaHandler, Routine, RoutineResult};
use rest::{Accepted, Format, SelectItem};

use crate::error::PlanError;
use crate::planner::Planner;

/// The media type of what says itself what it is, and is given to whoever accepts anything.
const ANY: &str = "*/*";

/// In which form something is given.
enum Form {
    /// One of the dialect's own.
    Builtin(Format),
    /// The value of a function, as it is: a domain that is called like a media type.
    Value(Arc<str>),
    /// What an aggregate makes of the rows.
    Aggregate(Arc<MediaHandler>),
}

impl Planner<'_> {
    /// Chooses the first media type that can be given for the rows of a relation, or for what a function gives.
    pub(crate) fn choose_form(
        &mut self,
        relation: Option<&QualifiedName>,
        routine: Option<&Routine>,
    ) -> Result<(), PlanError> {
        let request = self.request;
        for accepted in &request.accepts {
            if accepted.explain.is_some() && !(self.context.settings.explain && self.is_native()) {
                continue;
            }
            if let Some(form) = self.form(accepted, relation, routine) {
                self.take_form(accepted, form);
                return Ok(());
            }
        }
        if request.accepts.is_empty() { Ok(()) } else { Err(self.not_acceptable()) }
    }

    fn not_acceptable(&self) -> PlanError {
        let names: Vec<String> = self.request.accepts.iter().map(Accepted::media_type).collect();
        PlanError::NotAcceptable(names.join(", "))
    }

    /// How a media type can be given: what was made for these rows alone comes first, then what is made for any.
    fn form(&self, accepted: &Accepted, relation: Option<&QualifiedName>, routine: Option<&Routine>) -> Option<Form> {
        let builtin = accepted.format.map(Form::Builtin);
        if !self.is_native() {
            return builtin.filter(|form| !matches!(form, Form::Builtin(Format::GeoJson)));
        }
        if accepted.is_vendored() && accepted.format != Some(Format::Array { strip_nulls: false }) {
            return builtin;
        }
        // The dialect has another word for JSON.
        let name = if accepted.is_vendored() { "application/json" } else { &accepted.name };
        let own = routine.and_then(own_media_type);
        let aggregate = |target: Option<&QualifiedName>, name: &str| self.handler(target, name).map(Form::Aggregate);
        let of_value = |name: &str| own.filter(|own| ***own == *name).map(|own| Form::Value(own.clone()));
        let of_rows = |name: &str| {
            let target = relation.filter(|_| self.selects_all())?;
            aggregate(Some(target), name)
        };
        of_value(ANY)
            .or_else(|| of_rows(ANY))
            .or_else(|| of_value(name))
            .or_else(|| of_rows(name))
            .or_else(|| aggregate(None, name))
            .or(builtin)
    }

    /// The aggregate of an exposed schema that makes rows of `target`, or of anything, a media type.
    fn handler(&self, target: Option<&QualifiedName>, name: &str) -> Option<Arc<MediaHandler>> {
        let handlers = &self.context.catalog.snapshot().media_handlers;
        let is_exposed = |handler: &MediaHandler| self.context.settings.schemas.contains(&handler.function.schema);
        let fits = |handler: &&Arc<MediaHandler>| handler.target.as_ref() == target && &*handler.media_type == name;
        handlers.iter().filter(fits).find(|handler| is_exposed(handler)).cloned()
    }

    /// Whether rows are given as they are: only then are they what an aggregate over a relation takes.
    fn selects_all(&self) -> bool {
        match &*self.request.select {
            [] => true,
            [SelectItem::Field { field: Some(field), alias: None, cast: None, aggregate: None, .. }] => {
                field.column == "*" && field.path.is_empty()
            }
            _ => false,
        }
    }

    fn take_form(&mut self, accepted: &Accepted, form: Form) {
        let content_type = match form {
            Form::Builtin(format) => {
                self.format = format;
                (format != self.request.format).then(|| Arc::from(rest::content_type(format)))
            }
            Form::Value(media_type) => {
                self.format = Format::Raw;
                Some(own_content_type(&media_type))
            }
            Form::Aggregate(handler) => {
                self.format = Format::Raw;
                let content_type = own_content_type(&handler.media_type);
                self.handler = Some(handler);
                Some(content_type)
            }
        };
        self.explain = accepted.explain;
        self.media_type = match accepted.explain {
            Some(_) => Some(format!("{}; charset=utf-8", accepted.media_type()).into()),
            None => content_type,
        };
    }
}

/// The media type that the only value of a function is, if it is one.
fn own_media_type(routine: &Routine) -> Option<&Arc<str>> {
    let is_value = matches!(routine.returns.result, RoutineResult::Value(_)) && !routine.returns.is_set;
    routine.native.as_ref()?.media_type.as_ref().filter(|_| is_value)
}

fn own_content_type(media_type: &str) -> Arc<str> {
    if media_type == ANY { rest::content_type(Format::Raw).into() } else { rest::content_type_of(media_type).into() }
}
