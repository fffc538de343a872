//! Who gets which process.

use super::*;
use crate::stage::command::warm::output::Output;
use crate::stage::secrets::Secrets;
use crate::workflow::definition::{StageKind, Workflow};
use crate::workflow::limits::Limits;

type Given = oneshot::Receiver<Result<Lease, Failure>>;

/// A stage whose definitions differ in their level.
fn origin(level: u32, processes: u32) -> Arc<Origin> {
    let file = format!(
        "name = 'a'\n[stages.a]\ncommand = ['x']\nenv = {{ LEVEL = '{level}' }}\nwarm = {{ processes = {processes} }}"
    );
    let workflow = Workflow::parse("f", file.as_bytes(), &Limits::default()).expect("a workflow");
    let StageKind::Command(command) = &workflow.stages[0].kind else { unreachable!("it is one") };
    let warm = command.warm.clone().expect("it is warm");
    let (workflow, stage, worker) = ("a".into(), "a".into(), "w".into());
    Arc::new(Origin { workflow, stage, worker, command: command.clone(), warm, most: 100 })
}

fn waits(members: &mut Members, origin: &Arc<Origin>, since: Instant) -> Given {
    let (give, given) = oneshot::channel();
    members.wait(Waiter { origin: origin.clone(), since, give });
    given
}

/// Starts all that are to be started.
fn started(members: &mut Members) -> Vec<(u64, mpsc::UnboundedReceiver<Order>)> {
    let mut started = Vec::new();
    while let Some(origin) = members.to_start() {
        let (orders, taken) = mpsc::unbounded_channel();
        started.push((members.add(Member::starting(origin, orders)), taken));
    }
    started
}

fn ready(members: &mut Members, number: u64) {
    let output = Arc::new(Output::new(&Secrets::default()));
    members.is_ready(number, Arc::new(Place { folder: "/tmp".into(), output, took: Duration::ZERO }));
    members.serve(Instant::now());
}

fn is_served(given: &mut Given) -> bool {
    matches!(given.try_recv(), Ok(Ok(_)))
}

#[test]
fn as_many_start_as_wait_and_no_more_than_there_may_be() {
    let (mut members, origin, now) = (Members::default(), origin(1, 2), Instant::now());
    let mut first = waits(&mut members, &origin, now);
    assert_eq!(started(&mut members).len(), 1, "one is enough for one");
    let mut others: Vec<Given> = (0..3).map(|_| waits(&mut members, &origin, now)).collect();
    assert_eq!(started(&mut members).len(), 1, "two are all that there may be");
    ready(&mut members, 2);
    assert!(is_served(&mut first), "whoever came first is served first, by whichever is ready");
    ready(&mut members, 1);
    assert!(is_served(&mut others[0]) && !is_served(&mut others[1]));
    drop(others.remove(1));
    members.set(2, State::Idle);
    members.serve(now);
    assert!(is_served(&mut others[1]), "an attempt that is over is passed over");
}

#[test]
fn the_others_of_a_program_that_does_not_start_go_back() {
    let (mut members, now) = (Members::default(), Instant::now());
    let (one, other) = (origin(1, 1), origin(2, 1));
    let mut given: Vec<Given> = [&one, &one, &other].map(|origin| waits(&mut members, origin, now)).into();
    let number = started(&mut members)[0].0;
    let origin = members.remove(number).expect("it was there");
    members.refuse(&origin, Failure::invalid_input("it does not start"), || Failure::unknown("not now"));
    let said =
        |given: &mut Given| given.try_recv().ok().and_then(Result::err).map(|failure| failure.message().to_owned());
    assert_eq!(said(&mut given[0]).as_deref(), Some("it does not start"));
    assert_eq!(said(&mut given[1]).as_deref(), Some("not now"));
    assert_eq!(said(&mut given[2]), None);
    assert_eq!(started(&mut members).len(), 1, "the other version is tried");
}

#[test]
fn a_process_of_another_version_makes_room_once_and_in_its_turn() {
    let (mut members, now) = (Members::default(), Instant::now());
    let (old, new) = (origin(1, 1), origin(2, 1));
    let mut first = waits(&mut members, &old, now);
    let mut taken = started(&mut members).remove(0).1;
    ready(&mut members, 1);
    assert!(is_served(&mut first));
    let mut later = waits(&mut members, &new, now);
    let mut again = waits(&mut members, &old, now);
    members.serve(now);
    assert!(started(&mut members).is_empty(), "its place is taken");
    members.set(1, State::Idle);
    members.serve(now);
    assert!(is_served(&mut again), "it is there, and nobody has waited for long");
    let mut last = waits(&mut members, &old, now);
    members.set(1, State::Idle);
    // The lease that was just looked at went back.
    while taken.try_recv().is_ok() {}
    members.serve(now + PATIENCE * 2);
    assert!(!is_served(&mut last), "who has waited for long goes first");
    assert!(matches!(taken.try_recv(), Ok(Order::Replace)));
    members.set(1, State::Idle);
    members.serve(now + PATIENCE * 2);
    assert!(taken.try_recv().is_err() && members.in_state(State::Stopping) == 1, "it is told once, and ends");
    members.remove(1);
    let number = started(&mut members)[0].0;
    ready(&mut members, number);
    assert!(is_served(&mut later));
}
