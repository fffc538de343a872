//! Scripted answers in place of what stages do.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::failure::{Failure, FailureClass};

/// What a stage answers in a test, in place of its handler, program or server.
///
/// All else that the workflow says of the stage holds: what it needs, its fan-out, retries and limits. Its texts are filled in, too,
/// so that a place that is not in the input fails as it would in production; variables of the environment (`${NAME}`) need not
/// be set and stay as they are written.
///
/// A clone is the same mock: what either is called with, [`Mock::calls`] of both lists.
///
/// ```
/// use piton::testing::Mock;
/// use piton::{Failure, FailureClass};
///
/// // Fails twice, then answers.
/// let flaky = Mock::fail(FailureClass::NetworkTimeout, "no answer")
///     .then(Mock::failure(Failure::rate_limited("slow down")))
///     .then(Mock::output("done"));
/// // For a fan-out: item 0 and item 1.
/// let pages = Mock::items([Mock::output(1), Mock::fail(FailureClass::InvalidInput, "an empty page")]);
/// // Computes its answer.
/// let doubled = Mock::with(|call| {
///     let input: serde_json::Value = call.input()?;
///     Ok::<_, Failure>(input["item"].as_i64().unwrap_or_default() * 2)
/// });
/// # let _ = (flaky, pages, doubled);
/// ```
#[derive(Debug, Clone)]
pub struct Mock {
    script: Script,
    calls: Arc<Mutex<Vec<MockCall>>>,
}

#[derive(Debug, Clone)]
enum Script {
    /// One for each attempt; the last one also for those after it. At least one.
    Attempts(Vec<Answer>),
    /// One for each item of a fan-out.
    Items(Vec<Mock>),
    /// One for each round; the last one also for those after it. At least one.
    Rounds(Vec<Mock>),
}

#[derive(Clone)]
enum Answer {
    /// JSON, or why the value is none.
    Output(Result<Box<RawValue>, Failure>),
    Failure(Failure),
    Function(Function),
}

type Function = Arc<dyn Fn(&MockCall) -> Result<Box<RawValue>, Failure> + Send + Sync>;

/// What an attempt of a mocked stage was given.
#[derive(Debug, Clone)]
pub struct MockCall {
    pub(super) stage: String,
    pub(super) item: Option<u32>,
    pub(super) attempt: u32,
    pub(super) round: Option<u32>,
    pub(super) input: Box<RawValue>,
    pub(super) texts: Value,
}

impl Mock {
    /// Answers with that output, whatever it is asked. JSON that was read as a `Box<RawValue>` stays as it was written.
    pub fn output(output: impl Serialize) -> Mock {
        Mock::answering(Answer::Output(raw(&output)))
    }

    /// Answers with that JSON, as it is written.
    pub(crate) fn json(text: &str) -> Mock {
        Mock::answering(Answer::Output(serde_json::from_str(text).map_err(|error| no_json(&error))))
    }

    /// Fails, each time. The two classes that a stage cannot fail with become `unknown`, as with [`Failure::new`].
    pub fn fail(class: FailureClass, message: impl Into<String>) -> Mock {
        Mock::failure(Failure::new(class, message))
    }

    /// Fails with that failure each time: with a `retry_after`, or a detail.
    pub fn failure(failure: Failure) -> Mock {
        Mock::answering(Answer::Failure(failure))
    }

    /// Answers with what the function makes of the call. Like a handler, it may be asked several times for one job.
    pub fn with<T, E>(answer: impl Fn(&MockCall) -> Result<T, E> + Send + Sync + 'static) -> Mock
    where
        T: Serialize,
        E: Into<Failure>,
    {
        Mock::answering(Answer::Function(Arc::new(move |call| raw(&answer(call).map_err(Into::into)?))))
    }

    /// Answers as this one at the first attempt, or the first few, and as `next` at those after. The last answer holds for all
    /// attempts that follow. The calls are listed by this one.
    #[must_use]
    pub fn then(mut self, next: Mock) -> Mock {
        if let Script::Rounds(rounds) = &mut self.script {
            rounds.iter_mut().for_each(|round| *round = round.clone().then(next.clone()));
            return self;
        }
        match (&mut self.script, next.script) {
            (_, Script::Rounds(rounds)) => {
                let before = Mock { script: self.script.clone(), calls: Arc::default() };
                self.script = Script::Rounds(rounds.into_iter().map(|round| before.clone().then(round)).collect());
            }
            // It was looked at before.
            (Script::Rounds(_), _) => {}
            (Script::Attempts(answers), Script::Attempts(more)) => answers.extend(more),
            // Items have their own attempts: each of them goes on as it says.
            (Script::Items(items), Script::Items(more)) => {
                let after = more.into_iter().enumerate();
                for (at, next) in after {
                    match items.get_mut(at) {
                        Some(item) => *item = item.clone().then(next),
                        None => items.push(next),
                    }
                }
            }
            (Script::Items(items), Script::Attempts(more)) => {
                let next = Mock { script: Script::Attempts(more), calls: Arc::default() };
                items.iter_mut().for_each(|item| *item = item.clone().then(next.clone()));
            }
            (Script::Attempts(first), Script::Items(more)) => {
                let before = Mock { script: Script::Attempts(first.clone()), calls: Arc::default() };
                self.script = Script::Items(more.into_iter().map(|item| before.clone().then(item)).collect());
            }
        }
        self
    }

    /// Answers for the items of a fan-out, each as its own mock says, in their order. An item beyond them fails as
    /// `invalid_input`.
    pub fn items(items: impl IntoIterator<Item = Mock>) -> Mock {
        Mock { script: Script::Items(items.into_iter().collect()), calls: Arc::default() }
    }

    /// Answers in the rounds of a stage that is done again until it is good enough, in each as its own mock says; the last one holds
    /// for all that follow. Without one, every attempt fails.
    ///
    /// ```
    /// use piton::testing::Mock;
    /// use serde_json::json;
    ///
    /// let critic = Mock::rounds([Mock::output(json!({"score": 0.4})), Mock::output(json!({"score": 0.9}))]);
    /// # let _ = critic;
    /// ```
    pub fn rounds(rounds: impl IntoIterator<Item = Mock>) -> Mock {
        Mock { script: Script::Rounds(rounds.into_iter().collect()), calls: Arc::default() }
    }

    /// What it was called with, in the order of the calls. Attempts whose texts could not be filled in never reached it.
    pub fn calls(&self) -> Vec<MockCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answering(answer: Answer) -> Mock {
        Mock { script: Script::Attempts(vec![answer]), calls: Arc::default() }
    }

    /// Answers one attempt, and remembers the call.
    pub(super) fn answer(&self, call: &MockCall) -> Result<Box<RawValue>, Failure> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
        match &self.script {
            Script::Rounds(rounds) => {
                let at = usize::try_from(call.round.unwrap_or(1).saturating_sub(1)).unwrap_or(usize::MAX);
                rounds.get(at).or(rounds.last()).ok_or_else(|| no_answer(call, 0))?.answer(call)
            }
            Script::Items(items) => {
                let item = call.item.and_then(|item| items.get(usize::try_from(item).ok()?));
                item.ok_or_else(|| no_answer(call, items.len()))?.answer(call)
            }
            Script::Attempts(answers) => {
                let at = usize::try_from(call.attempt.saturating_sub(1)).unwrap_or(usize::MAX);
                match answers.get(at).or(answers.last()) {
                    Some(Answer::Output(output)) => output.clone(),
                    Some(Answer::Failure(failure)) => Err(failure.clone()),
                    Some(Answer::Function(function)) => function(call),
                    None => Err(no_answer(call, 0)),
                }
            }
        }
    }

    /// Its answers are those for items.
    pub(super) fn has_items(&self) -> bool {
        match &self.script {
            Script::Items(_) => true,
            Script::Rounds(rounds) => rounds.iter().any(Mock::has_items),
            Script::Attempts(_) => false,
        }
    }

    /// Its answers are those for rounds.
    pub(super) fn has_rounds(&self) -> bool {
        matches!(self.script, Script::Rounds(_))
    }

    /// Outputs that are known beforehand.
    pub(super) fn outputs(&self) -> Vec<&Result<Box<RawValue>, Failure>> {
        match &self.script {
            Script::Items(mocks) | Script::Rounds(mocks) => mocks.iter().flat_map(Mock::outputs).collect(),
            Script::Attempts(answers) => answers
                .iter()
                .filter_map(|answer| match answer {
                    Answer::Output(output) => Some(output),
                    Answer::Failure(_) | Answer::Function(_) => None,
                })
                .collect(),
        }
    }
}

impl MockCall {
    /// The stage's name.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The item of a fanned-out stage, from 0.
    pub fn item(&self) -> Option<u32> {
        self.item
    }

    /// Which try it is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Which round it is, from 1, of a stage that is done again until it is good enough.
    pub fn round(&self) -> Option<u32> {
        self.round
    }

    /// The stage's input: the run's under `input`, outputs under the names of stages, and the item. An output that comes as a file is
    /// in it as a value. What does not fit the type is an `invalid_input` failure.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(self.input.get())
            .map_err(|error| Failure::invalid_input(format!("the input of the mocked stage does not fit: {error}")))
    }

    /// JSON text of the input.
    pub fn input_json(&self) -> &str {
        self.input.get()
    }

    /// The stage's texts, filled in, under their keys in the workflow file: `command`, `env` and `dir` of a program; `http`,
    /// `method`, `headers`, `files` and `dir` of a request; `sql`, `role` and `parameters` of a statement; none of a handler.
    pub fn texts(&self) -> &Value {
        &self.texts
    }
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Failure> {
    serde_json::value::to_raw_value(value).map_err(|error| no_json(&error))
}

fn no_json(error: &serde_json::Error) -> Failure {
    Failure::invalid_input(format!("the mock's output is no JSON: {error}"))
}

fn no_answer(call: &MockCall, answers: usize) -> Failure {
    let item = call.item.map_or_else(|| "a job without item".to_owned(), |item| format!("item {item}"));
    Failure::invalid_input(format!("the mock of stage `{}` has {answers} answers, and none for {item}", call.stage))
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Output(Ok(output)) => f.debug_tuple("Output").field(&output.get()).finish(),
            Answer::Output(Err(failure)) | Answer::Failure(failure) => f.debug_tuple("Failure").field(failure).finish(),
            Answer::Function(_) => f.write_str("Function"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(mock: &Mock, item: Option<u32>, attempt: u32) -> String {
        let (stage, input) = ("a".to_owned(), raw(&serde_json::json!({"item": item})).expect("JSON"));
        let call = MockCall { stage, item, attempt, round: None, input, texts: Value::Null };
        mock.answer(&call).map_or_else(|failure| failure.to_string(), |output| output.get().to_owned())
    }

    #[test]
    fn attempts_have_their_answers_and_the_last_one_stays() {
        let mock = Mock::fail(FailureClass::RateLimited, "slow").then(Mock::json("1.50")).then(Mock::output("x"));
        let answers = [1, 2, 3, 9].map(|attempt| answer(&mock, None, attempt));
        assert_eq!(answers, ["rate_limited: slow", "1.50", "\"x\"", "\"x\""]);
        let calls: Vec<u32> = mock.calls().iter().map(MockCall::attempt).collect();
        assert_eq!(calls, [1, 2, 3, 9]);
    }

    #[test]
    fn items_have_their_answers_each_with_its_attempts() {
        let failing = Mock::fail(FailureClass::Unknown, "no");
        let items = Mock::items([Mock::output(0), failing.clone().then(Mock::output(1))]);
        let of = |mock: &Mock, item, attempts: &[u32]| -> Vec<String> {
            attempts.iter().map(|attempt| answer(mock, Some(item), *attempt)).collect()
        };
        assert_eq!(of(&items, 0, &[1, 2]), ["0", "0"]);
        assert_eq!(of(&items, 1, &[1, 2]), ["unknown: no", "1"]);
        assert_eq!(of(&items, 2, &[1]), ["invalid_input: the mock of stage `a` has 2 answers, and none for item 2"]);
        // One answer for all items at first, then each its own; and the other way round.
        let late = failing.clone().then(Mock::items([Mock::output(0), Mock::output(1)]));
        assert_eq!(of(&late, 1, &[1, 2, 3]), ["unknown: no", "1", "1"]);
        let early = Mock::items([Mock::output(0), Mock::output(1)]).then(failing);
        assert_eq!(of(&early, 1, &[1, 2]), ["1", "unknown: no"]);
    }

    #[test]
    fn a_function_sees_the_call_and_a_clone_is_the_same_mock() {
        let mock = Mock::with(|call| {
            let input: Value = call.input()?;
            Ok::<_, Failure>(input["item"].as_u64().unwrap_or_default() + u64::from(call.attempt()))
        });
        assert_eq!(answer(&mock.clone(), Some(40), 2), "42");
        assert_eq!(mock.calls()[0].input_json(), "{\"item\":40}");
    }
}
