//! Row security policies.

use std::sync::Arc;

use catalog::{Command, Expression, Policy, Relation, SourceId};
use sqlparser::ast::{
    AlterPolicy, AlterPolicyOperation, CreatePolicy, CreatePolicyCommand, CreatePolicyType, DropPolicy, Expr, Owner,
    Spanned,
};

use super::expression::{Analyzer, Context};
use super::names;
use super::problem::{Outcome, Problem};
use super::scope::{Level, ScopeSource};
use super::translation::Translation;

impl Translation {
    /// `CREATE POLICY`.
    pub(super) fn create_policy(&mut self, create: &CreatePolicy) -> Outcome<()> {
        let table = self.table(&create.table_name)?.clone();
        let name: Arc<str> = Arc::from(names::identifier(&create.name));
        if table.policies.iter().any(|policy| policy.name == name) {
            let message = format!("policy \"{name}\" for table \"{}\" already exists", table.name.name);
            return Err(Problem::invalid(create.name.span, message));
        }
        let command = match create.command {
            None | Some(CreatePolicyCommand::All) => Command::All,
            Some(CreatePolicyCommand::Select) => Command::Select,
            Some(CreatePolicyCommand::Insert) => Command::Insert,
            Some(CreatePolicyCommand::Update) => Command::Update,
            Some(CreatePolicyCommand::Delete) => Command::Delete,
        };
        let policy = Policy {
            name,
            command,
            roles: self.policy_roles(create.to.as_deref().unwrap_or_default())?,
            is_permissive: !matches!(create.policy_type, Some(CreatePolicyType::Restrictive)),
            using: self.policy_expression(&table, command, create.using.as_ref(), true)?,
            check: self.policy_expression(&table, command, create.with_check.as_ref(), false)?,
        };
        self.relation_mut(&table.name)?.policies.push(policy);
        Ok(())
    }

    /// `USING` or `WITH CHECK`, where the command has it.
    fn policy_expression(
        &self,
        table: &Relation,
        command: Command,
        expr: Option<&Expr>,
        is_using: bool,
    ) -> Outcome<Option<Expression>> {
        let Some(expr) = expr else { return Ok(None) };
        match command {
            Command::Insert if is_using => {
                return Err(Problem::invalid(expr, "only WITH CHECK expression allowed for INSERT"));
            }
            Command::Select | Command::Delete if !is_using => {
                return Err(Problem::invalid(expr, "WITH CHECK cannot be applied to SELECT or DELETE"));
            }
            _ => {}
        }
        let row = Level::of(ScopeSource::of_relation(table, SourceId::ROW, None));
        let mut analyzer = Analyzer::new(&self.snapshot, Context::Policy, Some(row));
        analyzer.boolean(expr, "POLICY").map(Some)
    }

    /// The roles of a policy; empty for everybody.
    fn policy_roles(&self, owners: &[Owner]) -> Outcome<Vec<Arc<str>>> {
        let mut roles = Vec::new();
        for owner in owners {
            let Owner::Ident(ident) = owner else {
                return Err(Problem::invalid(super::problem::NOWHERE, "a policy is for roles by their names"));
            };
            let name = names::identifier(ident);
            if name == "public" {
                return Ok(Vec::new());
            }
            if !self.snapshot.roles.contains_key(name.as_str()) {
                return Err(Problem::invalid(ident.span, format!("role \"{name}\" does not exist")));
            }
            roles.push(Arc::from(name));
        }
        Ok(roles)
    }

    /// `ALTER POLICY`.
    pub(super) fn alter_policy(&mut self, alter: &AlterPolicy) -> Outcome<()> {
        let table = self.table(&alter.table_name)?.clone();
        let name = names::identifier(&alter.name);
        let Some(before) = table.policies.iter().find(|policy| *policy.name == *name) else {
            return Err(missing_policy(&name, &table, alter.name.span.start));
        };
        let mut after = before.clone();
        match &alter.operation {
            AlterPolicyOperation::Rename { new_name } => {
                after.name = Arc::from(names::identifier(new_name));
                if table.policies.iter().any(|policy| policy.name == after.name) {
                    let message = format!("policy \"{}\" already exists", after.name);
                    return Err(Problem::invalid(new_name.span, message));
                }
            }
            AlterPolicyOperation::Apply { to, using, with_check } => {
                if let Some(to) = to {
                    after.roles = self.policy_roles(to)?;
                }
                if using.is_some() {
                    after.using = self.policy_expression(&table, after.command, using.as_ref(), true)?;
                }
                if with_check.is_some() {
                    after.check = self.policy_expression(&table, after.command, with_check.as_ref(), false)?;
                }
            }
        }
        let policies = &mut self.relation_mut(&table.name)?.policies;
        if let Some(policy) = policies.iter_mut().find(|policy| *policy.name == *name) {
            *policy = after;
        }
        Ok(())
    }

    /// `DROP POLICY`.
    pub(super) fn drop_policy(&mut self, drop: &DropPolicy) -> Outcome<()> {
        let name = names::identifier(&drop.name);
        let qualified = names::qualified(&drop.table_name)?;
        if drop.if_exists && !self.snapshot.relations.contains_key(&qualified) {
            return Ok(());
        }
        let table = self.table(&drop.table_name)?.clone();
        if !table.policies.iter().any(|policy| *policy.name == *name) {
            return if drop.if_exists {
                Ok(())
            } else {
                Err(missing_policy(&name, &table, drop.table_name.span().start))
            };
        }
        self.relation_mut(&table.name)?.policies.retain(|policy| *policy.name != *name);
        Ok(())
    }
}

fn missing_policy(name: &str, table: &Relation, at: sqlparser::tokenizer::Location) -> Problem {
    Problem::invalid(at, format!("policy \"{name}\" for table \"{}\" does not exist", table.name.name))
}
