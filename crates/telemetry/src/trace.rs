//! The record of one request's walk: which step took how long. From it come `Server-Timing`, the step
//! metrics and, when tracing is on, one span per step.

use std::time::{Duration, Instant};

/// The steps of the path, in their order (`service::answer`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the function of the same name in service::answer")]
pub enum Step {
    Identify,
    Parse,
    Plan,
    Admit,
    Render,
    Run,
    Shape,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 7] =
        [Self::Identify, Self::Parse, Self::Plan, Self::Admit, Self::Render, Self::Run, Self::Shape];

    /// Its name in `Server-Timing`, metrics and spans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Parse => "parse",
            Self::Plan => "plan",
            Self::Admit => "admit",
            Self::Render => "render",
            Self::Run => "run",
            Self::Shape => "shape",
        }
    }
}

/// Where a request stands in a distributed trace (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The id that all spans of the trace share.
    pub trace_id: [u8; 16],
    /// The caller's span, if it sent a `traceparent`.
    pub parent_span_id: Option<[u8; 8]>,
    /// The id of this request's own span.
    pub span_id: [u8; 8],
    /// Whether spans are recorded.
    pub is_sampled: bool,
}

/// The record of one request's walk. Cheap: a few `Instant`s, no allocation until it is printed.
#[derive(Debug, Clone)]
pub struct Trace {
    context: TraceContext,
    started: Instant,
    steps: [Option<(Step, Instant)>; 8],
    count: usize,
}

impl Trace {
    /// Starts the record at `now`.
    pub fn begin(context: TraceContext, now: Instant) -> Self {
        Self { context, started: now, steps: [None; 8], count: 0 }
    }

    /// Notes that `step` begins now; the step before it ends.
    pub fn enter(&mut self, step: Step, now: Instant) {
        if let Some(slot) = self.steps.get_mut(self.count) {
            *slot = Some((step, now));
            self.count += 1;
        }
    }

    /// Where the request stands in its trace.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// When the request began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Every step with its start and duration, the last one ending at `now`.
    pub fn steps(&self, now: Instant) -> impl Iterator<Item = (Step, Instant, Duration)> + '_ {
        let next_starts = self.steps.iter().skip(1).map(move |next| next.map_or(now, |(_, start)| start));
        self.steps
            .iter()
            .zip(next_starts.chain(std::iter::once(now)))
            .filter_map(|(entry, end)| entry.map(|(step, start)| (step, start, end.saturating_duration_since(start))))
    }

    /// The `Server-Timing` header (W3C Server Timing): every step, and `total`, in milliseconds with three
    /// decimals: `identify;dur=0.012, parse;dur=0.031, total;dur=0.204`.
    pub fn server_timing(&self, now: Instant) -> String {
        let mut text = String::with_capacity(160);
        for (step, _, duration) in self.steps(now) {
            push_timing(&mut text, step.name(), duration);
            text.push_str(", ");
        }
        push_timing(&mut text, "total", now.saturating_duration_since(self.started));
        text
    }
}

/// Appends `name;dur=1.234`.
fn push_timing(text: &mut String, name: &str, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut digits = itoa::Buffer::new();
    text.push_str(name);
    text.push_str(";dur=");
    text.push_str(digits.format(micros / 1000));
    text.push('.');
    let fraction = micros % 1000;
    if fraction < 100 {
        text.push('0');
    }
    if fraction < 10 {
        text.push('0');
    }
    text.push_str(digits.format(fraction));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_where_the_next_begins() {
        let context = TraceContext { trace_id: [1; 16], parent_span_id: None, span_id: [2; 8], is_sampled: true };
        let start = Instant::now();
        let at = |micros| start + Duration::from_micros(micros);
        let mut trace = Trace::begin(context, start);
        trace.enter(Step::Identify, at(5));
        trace.enter(Step::Parse, at(17));
        trace.enter(Step::Run, at(1117));
        let steps: Vec<_> = trace.steps(at(3000)).map(|(step, _, duration)| (step, duration.as_micros())).collect();
        assert_eq!(steps, [(Step::Identify, 12), (Step::Parse, 1100), (Step::Run, 1883)]);
        assert_eq!(
            trace.server_timing(at(3000)),
            "identify;dur=0.012, parse;dur=1.100, run;dur=1.883, total;dur=3.000"
        );
        assert_eq!(Trace::begin(context, start).server_timing(at(7)), "total;dur=0.007");
    }

    #[test]
    fn a_step_too_many_is_not_kept() {
        let context = TraceContext { trace_id: [1; 16], parent_span_id: None, span_id: [2; 8], is_sampled: true };
        let start = Instant::now();
        let mut trace = Trace::begin(context, start);
        for _ in 0..20 {
            trace.enter(Step::Run, start);
        }
        assert_eq!(trace.steps(start).count(), 8);
    }
}
