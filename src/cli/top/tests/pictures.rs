//! What people see.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;

use super::{COMMON, LARGE, SMALL, look, opened, picture, run, seen, type_keys};
use crate::cli::top::draw::draw;
use crate::cli::top::keys::Wish;
use crate::cli::top::state::Panel;
use crate::cli::top::state::{Over, Top};
use crate::store::throughput::Outlook;
use crate::store::top::{Cause, FleetWorker};
use crate::store::warm::WarmPrograms;
use crate::store::why::RunWait;

#[test]
fn everything_that_is_live_fits_eighty_columns_and_twenty_four_lines() {
    insta::assert_snapshot!(picture(&seen(), SMALL), @r#"
Piton  runs: 12 running, 2 blocked · slots: 31 of 32 busy
workers: 2 alive, 1 silent · pauses: 1
  workflow          jobs left done/min before trend    empty in bottleneck
  story                 41565      4.2    7.2 worse       never render
  nightly_…egion_eu    ~41565      842    7.2 better 3 h 11 min transcod…ked_for
  workflow                     stage                       state   jobs   oldest
  story                        render                      paused    30   15 min
  nightly_render…ern_region_eu transcode_to_…mat_asked_for slot   41200 14 d 7 h
  story                        critic                      slot       4    2 min
  letters runs workflow stage   class          last, ago cause, by an example
>     812  811 story    picture auth_failure  1 min 15 s the key is …g:  [2Jgone
        6    5 story    picture invalid_input 1 min 15 s scene 3 has no text
  worker state                     busy build               host
  w3     silent for 1 min 18 s  3 of 32 0.1.0 of 2026-12-20 node-7
  w1     alive                 31 of 32 0.1.0 of 2026-12-20 node-7
  w2     alive                   0 of ? 0.1.0 of 2026-12-20 node-7


story, picture: 812 dead letters of 811 runs, the first 2 h 10 min ago.
auth_failure: the key is wrong: [2Jgone
Type: piton dead-letter retry --workflow story --stage picture --fingerprint
0b7a1d6e5f4c3b2a

q quit  ? help  Tab table  Enter open  r retry  d dismiss  p pause  u resume
"#);
}

#[test]
fn a_common_terminal_says_why_things_wait_beside_their_names() {
    insta::assert_snapshot!(picture(&seen(), COMMON), @r#"
Piton  runs: 12 running, 2 blocked · slots: 31 of 32 busy · workers: 2 alive, 1 silent · pauses: 1
  workflow              jobs left  done/min  before  trend     empty in  bottleneck            because
  story                     41565       4.2     7.2  worse        never  render                render is paused
  nightly_re…region_eu     ~41565       842     7.2  better  3 h 11 min  transcode_…asked_for  most of the work is there

  workflow                        stage                           state    jobs    oldest  why
  story                           render                          paused     30    15 min  the stage is paused by anna:…
  nightly_renders…hern_region_eu  transcode_to_ev…rmat_asked_for  slot    41200  14 d 7 h  waiting for a free slot of w1
  story                           critic                          slot        4     2 min  waiting for a free slot of w1

  letters  runs  workflow  stage    class           last, ago  cause, by an example
>     812   811  story     picture  auth_failure   1 min 15 s  the key is wrong:  [2Jgone
        6     5  story     picture  invalid_input  1 min 15 s  scene 3 has no text

  worker  state                      busy  build                host
  w3      silent for 1 min 18 s   3 of 32  0.1.0 of 2026-12-20  node-7
  w1      alive                  31 of 32  0.1.0 of 2026-12-20  node-7
  w2      alive                    0 of ?  0.1.0 of 2026-12-20  node-7


















story, picture: 812 dead letters of 811 runs, the first 2 h 10 min ago. auth_failure: the key is wrong: [2Jgone
Type: piton dead-letter retry --workflow story --stage picture --fingerprint 0b7a1d6e5f4c3b2a

q quit  ? help  Tab other table  Enter letters of the cause  r retry all  d dismiss all  p pause  u resume
"#);
}

#[test]
fn a_large_terminal_uses_its_width() {
    insta::assert_snapshot!(picture(&seen(), LARGE), @r#"
Piton  runs: 12 running, 2 blocked · slots: 31 of 32 busy · workers: 2 alive, 1 silent · pauses: 1
  workflow                                   jobs left  done/min  before  trend     empty in  bottleneck                           because
  story                                          41565       4.2     7.2  worse        never  render                               render is paused
  nightly_renders_of_the_northern_region_eu     ~41565       842     7.2  better  3 h 11 min  transcode_to_every_format_asked_for  most of the work is there

  workflow                                   stage                                state    jobs    oldest  why
  story                                      render                               paused     30    15 min  the stage is paused by anna: "provider is down"
  nightly_renders_of_the_northern_region_eu  transcode_to_every_format_asked_for  slot    41200  14 d 7 h  waiting for a free slot of w1
  story                                      critic                               slot        4     2 min  waiting for a free slot of w1

  letters  runs  workflow  stage    class           last, ago  cause, by an example
>     812   811  story     picture  auth_failure   1 min 15 s  the key is wrong:  [2Jgone
        6     5  story     picture  invalid_input  1 min 15 s  scene 3 has no text

  worker  state                      busy  build                host
  w3      silent for 1 min 18 s   3 of 32  0.1.0 of 2026-12-20  node-7
  w1      alive                  31 of 32  0.1.0 of 2026-12-20  node-7
  w2      alive                    0 of ?  0.1.0 of 2026-12-20  node-7




























story, picture: 812 dead letters of 811 runs, the first 2 h 10 min ago. auth_failure: the key is wrong: [2Jgone
Type: piton dead-letter retry --workflow story --stage picture --fingerprint 0b7a1d6e5f4c3b2a

q quit  ? help  Tab other table  Enter letters of the cause  r retry all  d dismiss all  p pause  u resume
"#);
}

#[test]
fn a_wide_terminal_with_few_lines_shows_the_workers_beside_what_they_run() {
    insta::assert_snapshot!(picture(&seen(), (180, 18)), @r#"
Piton  runs: 12 running, 2 blocked · slots: 31 of 32 busy · workers: 2 alive, 1 silent · pauses: 1
  workflow                                   jobs left  done/min  before  trend     empty in  bottleneck                           because
  story                                          41565       4.2     7.2  worse        never  render                               render is paused
  nightly_renders_of_the_northern_region_eu     ~41565       842     7.2  better  3 h 11 min  transcode_to_every_format_asked_for  most of the work is there
  workflow                       stage                          state    jobs    oldest  why                              worker state                     busy build
  story                          render                         paused     30    15 min  the stage is paused by anna:…    w3     silent for 1 min 18 s  3 of 32 0.1.0 of 2026-12-20
  nightly_render…hern_region_eu  transcode_to_e…rmat_asked_for  slot    41200  14 d 7 h  waiting for a free slot of w1    w1     alive                 31 of 32 0.1.0 of 2026-12-20
  story                          critic                         slot        4     2 min  waiting for a free slot of w1    w2     alive                   0 of ? 0.1.0 of 2026-12-20
  letters  runs  workflow  stage    class           last, ago  cause, by an example
>     812   811  story     picture  auth_failure   1 min 15 s  the key is wrong:  [2Jgone
        6     5  story     picture  invalid_input  1 min 15 s  scene 3 has no text



story, picture: 812 dead letters of 811 runs, the first 2 h 10 min ago. auth_failure: the key is wrong: [2Jgone
Type: piton dead-letter retry --workflow story --stage picture --fingerprint 0b7a1d6e5f4c3b2a

q quit  ? help  Tab other table  Enter letters of the cause  r retry all  d dismiss all  p pause  u resume
"#);
}

#[test]
fn warm_programs_are_shown_beside_the_workers_that_keep_them() {
    let (mut top, mut seen) = (seen(), look());
    let programs = |stage: &str, starting, idle, busy| WarmPrograms {
        workflow: "story".to_owned(),
        stage: stage.to_owned(),
        starting,
        idle,
        busy,
        stopping: 0,
    };
    seen.workers[0].warm = vec![programs("render", 0, 1, 2), programs("narrate", 1, 0, 0)];
    seen.workers[1].warm = vec![programs("render", 0, 0, 1)];
    top.seen(seen);
    let shown = picture(&top, LARGE);
    let column: Vec<&str> = shown.lines().filter(|line| line.contains(" of 32  ")).collect();
    assert!(column[0].contains("2 of 4, 1 starting") && column[1].contains("1 of 1"), "{shown}");
}

#[test]
fn what_has_no_room_is_counted_in_every_table() {
    let (mut top, mut many) = (seen(), look());
    let first = many.queue[0].clone();
    many.queue.extend((0..30).map(|_| first.clone()));
    let first = many.causes[0].clone();
    many.causes.extend((0..40).map(|at| Cause { fingerprint: format!("{at:016x}"), ..first.clone() }));
    let first = many.workers[0].clone();
    many.workers.extend((0..300).map(|at| FleetWorker { name: format!("w{at}"), ..first.clone() }));
    let first = many.flow[0].clone();
    many.flow.extend((0..20).map(|at| Outlook { workflow: format!("flow{at}"), ..first.clone() }));
    (many.runs.scheduled, top.panel) = (7, Panel::Queue);
    let whole = [many.flow.len(), many.queue.len(), many.causes.len(), many.workers.len()];
    top.seen(many);
    assert!(picture(&top, COMMON).starts_with("Piton  runs: 12 running, 2 blocked, 7 scheduled · slots"));
    for size in [SMALL, COMMON, LARGE, (180, 18), (80, 14)] {
        let shown = picture(&top, size);
        let said: Vec<&str> = shown.lines().filter(|line| line.contains("more")).collect();
        assert_eq!(shown.matches(" more").count(), 4, "each of them says so: {shown}");
        let rows = |mark: &str| shown.lines().filter(|line| line.contains(mark)).count();
        let at = |table: usize| -> usize {
            let words: Vec<&str> = said[table].split_whitespace().collect();
            words[words.len() - 2].parse().unwrap()
        };
        if size.0 < 150 {
            assert_eq!(rows("worse") + rows("better") + at(0), whole[0], "{shown}");
            assert_eq!(rows(" slot  ") + rows(" paused  ") + at(1), whole[1], "{shown}");
            // The head tells of slots, too.
            assert_eq!(rows(" of 32 ") - 1 + rows(" of ? ") + at(3), whole[3], "{shown}");
            assert!(said[3].contains("and at least"), "there may be more than were asked for: {shown}");
        }
    }
}

#[test]
fn a_cause_opens_into_its_dead_letters() {
    insta::assert_snapshot!(picture(&opened(), SMALL), @r#"
Piton  runs: 12 running, 2 blocked · slots: 31 of 32 busy
workers: 2 alive, 1 silent · pauses: 1
story, picture: 812 dead letters after auth_failure, cause 0b7a1d6e5f4c3b2a, the
newest 2
  run                                 item tries   dead for message
> 00000000-0000-000…0000-000000000101    3     6 1 min 15 s the key is…  [2Jgone
  00000000-0000-000…0000-000000000102    3     6 1 min 15 s the key is…: expired













Run 00000000-0000-0000-0000-000000000101: the key is wrong: [2Jgone
Type: piton dead-letter show 00000000-0000-0000-0000-000000000001

Esc back  ? help  Enter why  r retry  d dismiss  c cancel run
"#);
}

#[test]
fn a_database_that_is_away_is_told_beside_what_was_seen_last() {
    let mut top = Top { trouble: Some("the database did not answer: pool timed out".to_owned()), ..Top::default() };
    assert!(picture(&top, SMALL).contains("\nthe database did not answer: pool timed out; asked again\n"));
    top.seen(look());
    assert!(!picture(&top, SMALL).contains("asked again"));
    (top.trouble, top.age) =
        (Some(format!("the database did not answer: {}end", "refused ".repeat(20))), Duration::from_secs(12));
    let shown = picture(&top, SMALL);
    assert!(shown.contains("\nAs it was 12 s ago: the database did not answer: refused"), "{shown}");
    assert!(shown.contains("refused end\n"), "all of it: {shown}");
    assert!(shown.contains("auth_failure"), "what was seen last stays");
}

#[test]
fn nothing_that_a_stage_says_moves_the_cursor_or_breaks_a_line() {
    let shown = picture(&seen(), COMMON);
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(shown.contains("the key is wrong:  [2Jgone"), "{shown}");
}

#[test]
fn a_small_or_an_odd_terminal_is_drawn_on_as_far_as_it_goes() {
    for mut top in [seen(), opened(), Top::default()] {
        for over in [Over::Nothing, Over::Help] {
            top.over = over;
            for (width, height) in [(1, 1), (2, 9), (20, 3), (300, 2), (3, 100), (0, 0)] {
                Terminal::new(TestBackend::new(width, height)).unwrap().draw(|frame| draw(frame, &top)).unwrap();
            }
        }
    }
}

#[test]
fn the_command_to_type_is_whole_however_narrow_the_terminal() {
    let mut top = seen();
    type_keys(&mut top, &[KeyCode::Tab, KeyCode::Up]);
    assert!(picture(&top, SMALL).contains("\nType: piton resume story --stage render\n"), "{}", picture(&top, SMALL));
    type_keys(&mut top, &[KeyCode::Tab]);
    for size in [SMALL, COMMON, LARGE, (44, 24)] {
        let shown = picture(&top, size).replace('\n', " ");
        let command = "Type: piton dead-letter retry --workflow story --stage picture --fingerprint 0b7a1d6e5f4c3b2a";
        assert!(shown.contains(command), "{shown}");
    }
}

#[test]
fn where_no_worker_is_alive_the_screen_says_so_and_what_to_type() {
    let mut top = seen();
    let mut dead = look();
    dead.workers.retain(|worker| worker.state == "silent");
    top.seen(dead);
    let shown = picture(&top, SMALL);
    assert!(shown.contains("workers: 0 alive, 1 silent") && shown.contains("silent for 1 min 18 s"), "{shown}");
    assert!(shown.contains("No worker is alive, so nothing begins. Start one: piton worker"), "{shown}");
    assert!(shown.contains("slots: 0 of 0 busy"), "what a silent worker holds is not busy: {shown}");
}

#[test]
fn what_a_run_waits_for_lies_over_the_letters_and_scrolls() {
    let mut top = opened();
    assert_eq!(type_keys(&mut top, &[KeyCode::Enter]), [Wish::Why { run: run(1) }]);
    assert!(picture(&top, SMALL).contains("asking the database"));
    let row = |stage: &str, item, jobs, why: &str, moves: &str| RunWait {
        stage: stage.to_owned(),
        reason: "r".to_owned(),
        jobs,
        item,
        oldest_since: None,
        why: why.to_owned(),
        moves: moves.to_owned(),
    };
    let given_up = "given up: auth_failure: the key is\nwrong, and this is said in more words than a line has room for";
    let rows = vec![
        row("picture", Some(3), 1, given_up, "piton dead-letter retry, or dismiss"),
        row("assembly", None, 1, "waits for picture", "their ends"),
    ];
    top.told_why(run(2), vec![]);
    assert!(picture(&top, SMALL).contains("asking the database"), "an answer about another run is none about this one");
    top.told_why(run(1), rows.clone());
    insta::assert_snapshot!(picture(&top, SMALL).lines().skip(8).take(7).collect::<Vec<_>>().join("\n"), @r#"
┌What run 00000000-0000-0000-0000-000000000101 waits for───────────────────────┐
│picture[3]: given up: auth_failure: the key is wrong, and this is said in more│
│words than a line has room for                                                │
│    moved by: piton dead-letter retry, or dismiss                             │
│assembly: waits for picture                                                   │
│    moved by: their ends                                                      │
"#);
    type_keys(&mut top, &[KeyCode::Down; 9]);
    assert!(picture(&top, SMALL).contains("assembly: waits for picture"), "the last one stays");
    top.told_why(run(1), rows[..1].to_vec());
    assert!(picture(&top, SMALL).contains("picture[3]: given up"), "also when there are fewer");
    assert_eq!(type_keys(&mut top, &[KeyCode::Esc]), [], "it closes the window, and not the letters");
    assert!(matches!(top.over, Over::Nothing) && top.open.is_some());
    assert_eq!(type_keys(&mut top, &[KeyCode::Esc]), [], "and the letters, and not the view");
    assert!(top.open.is_none());
}

#[test]
fn help_tells_every_key_and_fits_a_small_terminal() {
    let mut top = seen();
    type_keys(&mut top, &[KeyCode::Char('?')]);
    insta::assert_snapshot!(picture(&top, SMALL), @r#"
Piton  runs: 12 running, 2 blocked · slots: 31 of 32 busy
workers: 2 alive, 1 silent · pauses: 1
  workflow          jobs left done/min before trend    empty in bottleneck
  story                 41565      4.2    7.2 worse       never render
  nightly_…egion_eu    ~41565      842    7.2 better 3 h 11 min transcod…ked_for
┌Help──────────────────────────────────────────────────────────────────────────┐
│up, down   choose a row (or k, j)                                             │
│Tab        the other table: what waits and runs, or causes of dead letters    │
│Enter      the dead letters of the chosen cause; there, what a run waits for  │
│r          retry from the last checkpoint: all of the cause (asks), or the one│
│d          dismiss, so that the runs fail: all of the cause, or the one       │
│           (asks why)                                                         │
│c          cancel the run of the chosen dead letter (asks why)                │
│p, u       pause the workflow of the chosen row (asks why); resume what is    │
│           paused there                                                       │
│q, Esc     back, or quit; Ctrl-C quits from anywhere                          │
│                                                                              │
│A row that goes away takes the choice with it: choose again.                  │
│Each key is also a command: the last lines say which.                         │
└──────────────────────────────────────────────────────────────────────────────┘
Type: piton dead-letter retry --workflow story --stage picture --fingerprint
0b7a1d6e5f4c3b2a

q quit  ? help  Tab table  Enter open  r retry  d dismiss  p pause  u resume
"#);
}
