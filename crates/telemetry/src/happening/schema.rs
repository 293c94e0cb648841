//! The schema: migrations and the catalog made from them.

use std::time::Duration;

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// A migration file was applied and committed.
#[derive(Debug)]
pub struct MigrationApplied<'a> {
    /// Its file name.
    pub file: &'a str,
    /// How long it took.
    pub duration: Duration,
}

impl Happening for MigrationApplied<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "migration-applied",
        message: "A migration was applied",
        about: "Once for each file that `pando migrate up` or `pando serve` applies.",
        level: Level::Info,
        fields: &[MIGRATION, DURATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(MIGRATION, self.file);
        line.duration(DURATION, self.duration);
    }
}

/// A migration file was to be applied, and another node was faster.
#[derive(Debug)]
pub struct MigrationPresent<'a> {
    /// Its file name.
    pub file: &'a str,
}

impl Happening for MigrationPresent<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "migration-present",
        message: "A migration was applied by another node",
        about: "When several nodes start at once: one of them applies each file, and the others find it applied.",
        level: Level::Info,
        fields: &[MIGRATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(MIGRATION, self.file);
    }
}

/// A migration waits until another node is done with its own.
#[derive(Debug)]
pub struct MigrationWaits<'a> {
    /// Its file name.
    pub file: &'a str,
}

impl Happening for MigrationWaits<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "migration-waits",
        message: "Waiting for another node's migration",
        about: "Once for each file that waits longer than about a second for the lock under which nodes take turns.",
        level: Level::Warn,
        fields: &[MIGRATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(MIGRATION, self.file);
    }
}

/// The seed file was applied and committed.
#[derive(Debug)]
pub struct SeedApplied<'a> {
    /// Its file name.
    pub file: &'a str,
    /// How long it took.
    pub duration: Duration,
}

impl Happening for SeedApplied<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "seed-applied",
        message: "The seed was applied",
        about: "When a fresh database is filled from the seed file.",
        level: Level::Info,
        fields: &[MIGRATION, DURATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(MIGRATION, self.file);
        line.duration(DURATION, self.duration);
    }
}

/// The seed file was left out.
#[derive(Debug)]
pub struct SeedSkipped<'a> {
    /// Its file name.
    pub file: &'a str,
}

impl Happening for SeedSkipped<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "seed-skipped",
        message: "The seed was left out: the database was not new",
        about: "When the first migration is applied to a database in whose `api.schemas` there are tables or views already.",
        level: Level::Info,
        fields: &[MIGRATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(MIGRATION, self.file);
    }
}

/// Migration files were changed under `pando serve --watch` and cannot be applied.
#[derive(Debug)]
pub struct MigrationRefused<'a> {
    /// What is wrong, where, and what to do.
    pub error: &'a str,
}

impl Happening for MigrationRefused<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "migration-refused",
        message: "The migrations cannot be applied; the schema stays as it is",
        about: "Under `pando serve --watch`, when a new file is refused or fails, or an applied one was changed.",
        level: Level::Warn,
        fields: &[ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.error);
    }
}

/// A catalog took the place of the one before.
#[derive(Debug)]
pub struct CatalogLoaded {
    /// Tables and views in it.
    pub relations: u64,
    /// Relationships in it.
    pub relationships: u64,
    /// How long it took to build.
    pub duration: Duration,
}

impl Happening for CatalogLoaded {
    const DEFINITION: &'static Definition = &Definition {
        action: "catalog-loaded",
        message: "The catalog was loaded",
        about: "At start, and whenever the schema was read again.",
        level: Level::Info,
        fields: &[RELATIONS, RELATIONSHIPS, DURATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(RELATIONS, self.relations);
        line.count(RELATIONSHIPS, self.relationships);
        line.duration(DURATION, self.duration);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.set_relations(self.relations);
        metrics.count_catalog_load("success");
    }
}

/// The catalog could not be read again.
#[derive(Debug)]
pub struct CatalogNotLoaded<'a> {
    /// What happened inside, without values.
    pub error: &'a str,
    /// How long it was tried.
    pub duration: Duration,
}

impl Happening for CatalogNotLoaded<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "catalog-not-loaded",
        message: "The catalog could not be read again; the older one goes on, and it is tried again",
        about: "When a PostgreSQL server was to be asked for its schema again and that failed.",
        level: Level::Error,
        fields: &[ERROR, DURATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.error);
        line.duration(DURATION, self.duration);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_catalog_load("failure");
    }
}
