//! How text looks: coloured on a terminal, plain everywhere else.

use anstyle::{AnsiColor, Effects, Style as Ansi};

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Only on a terminal, and only where `NO_COLOR` is not set.
    pub colour: bool,
}

impl Style {
    /// No colours at all.
    #[cfg(test)]
    pub const PLAIN: Self = Self { colour: false };

    /// A heading.
    pub fn strong(self, text: &str) -> String {
        self.paint(text, Ansi::new().effects(Effects::BOLD))
    }

    /// What may be overlooked.
    pub fn faint(self, text: &str) -> String {
        self.paint(text, Ansi::new().effects(Effects::DIMMED))
    }

    /// What went well, or was chosen.
    pub fn good(self, text: &str) -> String {
        self.paint(text, AnsiColor::Green.on_default())
    }

    /// What deserves a look.
    pub fn warning(self, text: &str) -> String {
        self.paint(text, AnsiColor::Yellow.on_default())
    }

    /// What went wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint(text, AnsiColor::Red.on_default().effects(Effects::BOLD))
    }

    fn paint(self, text: &str, style: Ansi) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
