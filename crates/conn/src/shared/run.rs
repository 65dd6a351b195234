//! A statement from its text to its result: described if need be, sent, and sent anew when what was remembered of it is no longer true.

use cornac_proto::SqlState;
use cornac_proto::message::{ServerMessage, Target, check_parameter_count};
use cornac_proto::session::Segment;
use cornac_types::Params;

use super::allowed;
use super::call::{Place, Request};
use super::replies::{DescriptionReplies, ExecutionReplies, Keeping, Refusal, Replies};
use super::state::Shared;
use crate::core::stale::{Stage, Stale};
use crate::core::statements::Preparation;
use crate::deadline::Deadline;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::execution::Bound;
use crate::prepared::{Description, Prepared};
use crate::shape::Whole;
use crate::statement::{StatementMode, StatementRef};
use crate::type_lookup;

/// How often a statement is sent at most: as it is remembered, with what other connections know of it, and with nothing remembered.
const ATTEMPTS: u32 = 3;

/// How a statement goes out.
struct Travel {
    statement: Prepared,
    /// A Parse goes in front of the Bind, and a Describe of the portal behind it.
    parse: bool,
    /// What is known of it was learnt earlier, and may no longer be true.
    remembered: bool,
    /// Statements whose handles have gone: they are closed in front of it.
    retired: Vec<Box<str>>,
}

impl Shared {
    /// Runs a statement.
    pub(super) async fn run<P: Params + Send>(
        &self,
        statement: StatementRef<'_>,
        params: P,
        keeping: Keeping,
    ) -> Result<ExecutionReplies> {
        allowed::check(statement.sql())?;
        statement.check_len()?;
        check_parameter_count(params.count()).map_err(|error| Error::command(error.into()))?;
        let run = self.run_allowed(statement, params, keeping);
        run.await.map_err(|error| error.with_statement(statement.sql()))
    }

    async fn run_allowed<P: Params + Send>(
        &self,
        mut statement: StatementRef<'_>,
        params: P,
        keeping: Keeping,
    ) -> Result<ExecutionReplies> {
        let mut deadline = statement.timeout().or(self.statement_timeout).map(Deadline::new);
        let mut described = None;
        let mut attempt = 1;
        loop {
            let place = self.place(&mut deadline).await?;
            let Some(mut travel) = self.travel(&statement, described.take())? else {
                described = Some(self.describe(place, &statement, &mut deadline).await?);
                continue;
            };
            let request = match travel.request(self, &params, keeping) {
                Ok(request) => request,
                Err(error) => {
                    // A value may not fit only because the parameter's type is no longer what it was.
                    let outdated = !self.queue().statements.is_current(travel.statement.description());
                    let stale = (travel.remembered || outdated)
                        && matches!(error.kind(), ErrorKind::Parameter(error) if !error.is_too_long());
                    if stale && attempt < ATTEMPTS {
                        self.queue().statements.forget(&travel.statement, Stale::Description);
                        attempt += 1;
                        continue;
                    }
                    return Err(error);
                }
            };
            let Travel { statement: sent, remembered, .. } = travel;
            let Replies::Execution(mut replies) = self.ask(place, request, &mut deadline).await? else {
                return Err(Error::usage(NO_RESULT, Delivery::Answered));
            };
            self.remember(&mut replies);
            let Some(Refusal { server, stale }) = replies.take_refusal() else { return Ok(replies) };
            // A statement of which nothing was remembered is refused for what it is.
            let stale = stale
                .filter(|stale| remembered || replies.stage() == Stage::Bind && *stale != Stale::Parameters);
            let Some(stale) = stale.filter(|_| attempt < ATTEMPTS) else {
                return Err(refusal(server, deadline.as_ref()));
            };
            self.queue().statements.forget(&replies.statement, stale);
            if stale != Stale::Name {
                statement = statement.without_results();
            }
            if matches!(stale, Stale::Parameters | Stale::Types) {
                let place = self.place(&mut deadline).await?;
                let asked = self.describe(place, &statement, &mut deadline).await?;
                if asked.has_parameters_of(&sent) {
                    return Err(Error::server_refused(server));
                }
                described = Some(asked);
            }
            attempt += 1;
        }
    }

    /// How the statement goes out; `None` when the server must be asked about it first.
    fn travel(&self, statement: &StatementRef<'_>, described: Option<Prepared>) -> Result<Option<Travel>> {
        let mut queue = self.queue();
        let mode = queue.statements.mode_of(statement);
        if mode == StatementMode::Simple {
            return Err(Error::usage(SIMPLE_MODE, Delivery::NotSent));
        }
        let (statement, parse, remembered) = if let Some(described) = described {
            (described, mode != StatementMode::Named, false)
        } else {
            match queue.statements.look_up(statement, mode) {
                Preparation::Parsed(parsed) => (parsed, false, true),
                Preparation::Described(described) => (described, true, !statement.declares_results()),
                Preparation::Unknown => return Ok(None),
            }
        };
        let retired = queue.statements.names().take_retired();
        Ok(Some(Travel { statement, parse, remembered, retired }))
    }

    /// Asks the server about a statement.
    async fn describe(
        &self,
        place: Place<'_>,
        statement: &StatementRef<'_>,
        deadline: &mut Option<Deadline>,
    ) -> Result<Prepared> {
        let request = self.description_request(statement)?;
        let replies = self.ask(place, request, deadline).await?;
        let Replies::Description(replies) = replies else {
            return Err(Error::usage(NO_RESULT, Delivery::Answered));
        };
        let (asked, description) = replies.into_description();
        let mut description = description.map_err(|server| refusal(server, deadline.as_ref()))?;
        self.complete_types(&mut description, deadline).await?;
        Ok(self.queue().statements.learn(&asked, description))
    }

    /// Looks up the types that a description speaks of and nobody knows. Where the server refuses to say, they stay unknown.
    async fn complete_types(
        &self,
        description: &mut Description,
        deadline: &mut Option<Deadline>,
    ) -> Result<()> {
        let (unknown, epoch) = {
            let queue = self.queue();
            (queue.statements.resolve(&mut [&mut *description]), queue.statements.epoch())
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let place = self.place(deadline).await?;
        let mut travel = Travel {
            statement: type_lookup::statement(),
            parse: true,
            remembered: false,
            retired: Vec::new(),
        };
        let request = travel.request(self, &(unknown,), Keeping::UpTo(ANSWER))?;
        let Replies::Execution(mut replies) = self.ask(place, request, deadline).await? else {
            return Err(Error::usage(NO_RESULT, Delivery::Answered));
        };
        if replies.take_refusal().is_none() {
            let answer = replies.collect::<Whole<type_lookup::Answer>>()?;
            let described: Vec<_> = answer.into_iter().map(type_lookup::described).collect();
            self.queue().statements.put_types(&described, epoch);
        }
        self.queue().statements.resolve_at(&mut [description], epoch);
        Ok(())
    }

    fn description_request(&self, statement: &StatementRef<'_>) -> Result<Request> {
        let asked = {
            let mut queue = self.queue();
            let mode = queue.statements.mode_of(statement);
            queue.statements.undescribed(statement, mode)
        };
        let declared: Vec<u32> = asked.declared().iter().map(|ty| ty.oid().0).collect();
        let (mut segment, closing) = closing(self.queue().statements.names().take_retired())?;
        segment.describe(asked.name(), asked.sql(), &declared).map_err(Error::command)?;
        asked.set_may_be_parsed(true);
        Ok(Request { segment, closing, replies: Replies::Description(DescriptionReplies::new(asked)) })
    }

    /// Takes in what an execution has shown of its statement.
    fn remember(&self, replies: &mut ExecutionReplies) {
        if replies.parsed || replies.redescribed {
            let mut queue = self.queue();
            if replies.redescribed {
                let description = Description::clone(replies.statement.description());
                let description = queue.statements.resolve_sent(description);
                replies.statement = replies.statement.redescribed(description);
            }
            queue.statements.parsed(&replies.statement);
            if replies.redescribed {
                queue.statements.described(&replies.statement);
            }
        }
    }
}

impl Travel {
    /// Encodes the whole flight.
    fn request<P: Params>(&mut self, shared: &Shared, params: &P, keeping: Keeping) -> Result<Request> {
        let Self { statement, parse, retired, .. } = self;
        let (mut segment, closing) = closing(std::mem::take(retired))?;
        let Description { parameters, result_formats, .. } = &**statement.description();
        let types: Vec<u32>;
        let sql = if *parse {
            types = parameters.iter().map(|ty| ty.oid().0).collect();
            Some((statement.sql(), &*types))
        } else {
            None
        };
        let bound = Bound::new(params, parameters);
        let written = segment.execute(sql, statement.head(), &bound, result_formats, *parse);
        if let Err(error) = written {
            shared.queue().statements.names().retire_again(closing);
            return Err(error.into_error());
        }
        if *parse {
            statement.set_may_be_parsed(true);
        }
        let replies = ExecutionReplies::new(statement.clone(), *parse, *parse, keeping);
        Ok(Request { segment, closing, replies: Replies::Execution(replies) })
    }
}

/// A segment that begins with closing statements.
fn closing(retired: Vec<Box<str>>) -> Result<(Segment, Vec<Box<str>>)> {
    let mut segment = Segment::default();
    for name in &retired {
        segment.close(Target::Statement(name)).map_err(Error::command)?;
    }
    Ok((segment, retired))
}

/// What a server's refusal means: its own word, or that we had it cancelled because its time was over.
fn refusal(server: ServerMessage, deadline: Option<&Deadline>) -> Error {
    let passed = deadline.and_then(Deadline::passed);
    match passed.filter(|_| server.code() == Some(SqlState::QUERY_CANCELED)) {
        Some(limit) => Error::new(ErrorKind::Timeout { limit, server }, Delivery::Answered),
        None => Error::server_refused(server),
    }
}

/// How long what a server says of types may be, in bytes.
const ANSWER: usize = 16 << 20;

const NO_RESULT: &str = "the server gave neither a result nor an error";
const SIMPLE_MODE: &str =
    "a shared connection takes statements in modes named and unnamed, not in mode simple";
