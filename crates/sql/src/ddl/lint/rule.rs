//! The rules: what each is about, and what to do instead.

/// What a migration can go against. Its name is what `-- pando: allow NAME` silences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// `ADD COLUMN … NOT NULL` without a default.
    NotNullWithoutDefault,
    /// `ADD COLUMN` with a default that differs from row to row.
    VolatileDefault,
    /// `CREATE INDEX` or `DROP INDEX` without `CONCURRENTLY`.
    IndexWithoutConcurrently,
    /// What cannot run in a transaction, in a file that does.
    ConcurrentlyInTransaction,
    /// `ALTER COLUMN … TYPE` that writes the table anew.
    TypeChange,
    /// `SET NOT NULL` without a validated `CHECK`.
    SetNotNull,
    /// `ADD FOREIGN KEY` or `ADD CHECK` without `NOT VALID`.
    ConstraintWithoutNotValid,
    /// `ADD UNIQUE` or `ADD PRIMARY KEY` without `USING INDEX`.
    UniqueWithoutIndex,
    /// `RENAME` of a table or a column.
    Rename,
    /// `DROP` of a table or a column.
    Drop,
    /// `UPDATE` or `DELETE` of all rows after an `ALTER TABLE`.
    AllRows,
    /// `LOCK TABLE`, `VACUUM FULL`, `CLUSTER`, `REINDEX`, `REFRESH`, `TRUNCATE`, partitions, tables that move.
    LongLock,
    /// A policy that asks for the caller anew for every row.
    AuthPerRow,
    /// A policy that compares the caller to a column without an index.
    PolicyWithoutIndex,
    /// A foreign key without an index.
    ForeignKeyWithoutIndex,
    /// A policy on a table whose row security is off.
    PolicyWithoutRowSecurity,
    /// Row security without any policy.
    RowSecurityWithoutPolicy,
    /// A comment that names no rule.
    UnknownRule,
}

impl Rule {
    /// Every rule, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::NotNullWithoutDefault,
        Self::VolatileDefault,
        Self::IndexWithoutConcurrently,
        Self::ConcurrentlyInTransaction,
        Self::TypeChange,
        Self::SetNotNull,
        Self::ConstraintWithoutNotValid,
        Self::UniqueWithoutIndex,
        Self::Rename,
        Self::Drop,
        Self::AllRows,
        Self::LongLock,
        Self::AuthPerRow,
        Self::PolicyWithoutIndex,
        Self::ForeignKeyWithoutIndex,
        Self::PolicyWithoutRowSecurity,
        Self::RowSecurityWithoutPolicy,
        Self::UnknownRule,
    ];

    /// Its name: `set-not-null`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotNullWithoutDefault => "not-null-without-default",
            Self::VolatileDefault => "volatile-default",
            Self::IndexWithoutConcurrently => "index-without-concurrently",
            Self::ConcurrentlyInTransaction => "concurrently-in-transaction",
            Self::TypeChange => "type-change",
            Self::SetNotNull => "set-not-null",
            Self::ConstraintWithoutNotValid => "constraint-without-not-valid",
            Self::UniqueWithoutIndex => "unique-without-index",
            Self::Rename => "rename",
            Self::Drop => "drop",
            Self::AllRows => "all-rows",
            Self::LongLock => "long-lock",
            Self::AuthPerRow => "auth-per-row",
            Self::PolicyWithoutIndex => "policy-without-index",
            Self::ForeignKeyWithoutIndex => "foreign-key-without-index",
            Self::PolicyWithoutRowSecurity => "policy-without-row-security",
            Self::RowSecurityWithoutPolicy => "row-security-without-policy",
            Self::UnknownRule => "unknown-rule",
        }
    }

    /// The rule of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// Whether it is about locks and servers that go on running, which a PostgreSQL server alone knows; the others hold of the
    /// embedded engine as well.
    pub fn is_about_locks(self) -> bool {
        self <= Self::LongLock || self == Self::AuthPerRow
    }

    /// What to do instead.
    pub fn instead(self) -> &'static str {
        match self {
            Self::NotNullWithoutDefault => {
                "give it a constant DEFAULT, or add it without NOT NULL, fill it, and see set-not-null"
            }
            Self::VolatileDefault => {
                "add the column without the default, then ALTER COLUMN … SET DEFAULT for new rows, then fill the older ones \
                 in portions"
            }
            Self::IndexWithoutConcurrently => {
                "CREATE INDEX CONCURRENTLY or DROP INDEX CONCURRENTLY, in a file of its own whose first line is `-- pando: no transaction`"
            }
            Self::ConcurrentlyInTransaction => {
                "put it into a file of its own whose first line is `-- pando: no transaction`"
            }
            Self::TypeChange => {
                "add a column of the new type, fill it in portions, let the program write both, and drop the older one later"
            }
            Self::SetNotNull => {
                "ADD CONSTRAINT … CHECK (column IS NOT NULL) NOT VALID, in a later file VALIDATE CONSTRAINT, then SET NOT NULL"
            }
            Self::ConstraintWithoutNotValid => {
                "add it NOT VALID, and VALIDATE CONSTRAINT in a later file, which lets reads and writes go on"
            }
            Self::UniqueWithoutIndex => {
                "CREATE UNIQUE INDEX CONCURRENTLY in a file before (`-- pando: no transaction`), then ADD CONSTRAINT … USING INDEX"
            }
            Self::Rename => {
                "add the new name beside the older one (a view, or a column that is kept equal) until nobody uses the older"
            }
            Self::Drop => "deploy what no longer uses it first; then silence this",
            Self::AllRows => "write the rows in portions, in a later file or by a program",
            Self::LongLock => {
                "use CONCURRENTLY where there is one (REINDEX, REFRESH, DETACH PARTITION), a validated CHECK before ATTACH \
                 PARTITION, pg_repack for a table that moves; leave LOCK TABLE out, since statements lock what they need"
            }
            Self::AuthPerRow => "wrap it, (select auth.uid()), and it is asked for once a statement",
            Self::PolicyWithoutIndex => {
                "create an index that begins with the column, or every read goes through all rows"
            }
            Self::ForeignKeyWithoutIndex => {
                "create an index that begins with the columns: embeds, and deletes of the other table, search by them"
            }
            Self::PolicyWithoutRowSecurity => {
                "ALTER TABLE … ENABLE ROW LEVEL SECURITY; without it the policy protects nothing"
            }
            Self::RowSecurityWithoutPolicy => {
                "add a policy; without one nobody but the owner and roles with BYPASSRLS sees a row"
            }
            Self::UnknownRule => "look the name up in the documentation, docs/operations.md",
        }
    }
}
