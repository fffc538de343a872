//! A network of a test's own: a namespace in which workers run, whose packets are dropped without a word.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::harness::{Process, World, example};

static NUMBERS: AtomicU8 = AtomicU8::new(1);

/// Where a server listens that its namespace reaches: port 5432 of `host`.
pub(crate) struct Namespace {
    name: String,
    pub(crate) host: String,
}

fn run(program: &str, arguments: &str) -> Output {
    Command::new(program).args(arguments.split_whitespace()).output().unwrap()
}

impl Namespace {
    /// `None`, having said why, where this user may not make one.
    pub(crate) fn make() -> Option<Namespace> {
        let (pid, number) = (std::process::id(), NUMBERS.fetch_add(1, Ordering::Relaxed));
        // Another run of the tests on this machine has networks of its own.
        let net = format!("10.{}.{number}", 128 + pid % 64);
        let namespace = Namespace { name: format!("pt{pid}n{number}"), host: format!("{net}.1") };
        let (name, near, far) = (&namespace.name, format!("pa{pid}n{number}"), format!("pb{pid}n{number}"));
        let steps = [
            format!("netns add {name}"),
            format!("link add {near} type veth peer name {far} netns {name}"),
            format!("addr add {net}.1/30 dev {near}"),
            format!("link set {near} up"),
            format!("-n {name} addr add {net}.2/30 dev {far}"),
            format!("-n {name} link set {far} up"),
            format!("-n {name} link set lo up"),
        ];
        for step in steps {
            let output = run_if_there("ip", &step);
            if !output.as_ref().is_some_and(|output| output.status.success()) {
                eprintln!("skipped: network namespaces are not allowed here: ip {step}: {output:?}");
                return None;
            }
        }
        let tables = run_if_there("ip", &format!("netns exec {name} iptables -S"));
        if !tables.is_some_and(|output| output.status.success()) {
            eprintln!("skipped: packets cannot be dropped here: no iptables");
            return None;
        }
        Some(namespace)
    }

    /// A worker that reaches the server through this network only.
    pub(crate) fn worker(&self, world: &World, name: &str, arguments: &[&str]) -> Process {
        let (worker, workflows) = (example("test-worker"), world.path("workflows"));
        let fixed = ["netns", "exec", &self.name, worker.to_str().unwrap(), "worker", "--name", name, "--workflows"];
        let all = [&fixed[..], &[workflows.to_str().unwrap()], arguments].concat();
        let mut command = world.command_of(&PathBuf::from("ip"), all);
        command.env("DATABASE_URL", self.url());
        Process::spawn(command, world.path(&format!("{name}.log")))
    }

    /// A command of the test worker, from inside.
    pub(crate) fn command(&self, world: &World, arguments: &[&str]) -> Output {
        let worker = example("test-worker");
        let all = [&["netns", "exec", &self.name, worker.to_str().unwrap()], arguments].concat();
        world.command_of(&PathBuf::from("ip"), all).output().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://piton@{}/postgres", self.host)
    }

    fn iptables(&self, rule: &str) {
        let output = run("ip", &format!("netns exec {} iptables {rule}", self.name));
        assert!(output.status.success(), "{rule}: {output:?}");
    }

    /// Every connection that stands is cut, and nobody is told; new ones work: what a NAT does that lost its state.
    pub(crate) fn drop_flows(&self) {
        for port in self.flows() {
            self.iptables(&format!("-A OUTPUT -p tcp --sport {port} -j DROP"));
            self.iptables(&format!("-A INPUT -p tcp --dport {port} -j DROP"));
        }
    }

    /// The server's host is gone.
    pub(crate) fn drop_all(&self) {
        self.iptables("-I OUTPUT -p tcp --dport 5432 -j DROP");
        self.iptables("-I INPUT -p tcp --sport 5432 -j DROP");
    }

    /// It is there again; flows that were dropped stay so.
    pub(crate) fn bring_back(&self) {
        self.iptables("-D OUTPUT -p tcp --dport 5432 -j DROP");
        self.iptables("-D INPUT -p tcp --sport 5432 -j DROP");
    }

    /// Ports of this side that are connected to the server.
    fn flows(&self) -> Vec<u16> {
        let table = run("ip", &format!("netns exec {} cat /proc/net/tcp", self.name));
        let table = String::from_utf8(table.stdout).unwrap();
        let port = |address: &str| u16::from_str_radix(address.split(':').nth(1).unwrap(), 16).unwrap();
        let flow = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, remote, state) = (port(fields[1]), port(fields[2]), fields[3]);
            (remote == 5432 && state == "01").then_some(local)
        };
        let flows: Vec<u16> = table.lines().skip(1).filter_map(flow).collect();
        assert!(!flows.is_empty(), "nobody is connected:\n{table}");
        flows
    }
}

fn run_if_there(program: &str, arguments: &str) -> Option<Output> {
    Command::new(program).args(arguments.split_whitespace()).output().ok()
}

impl Drop for Namespace {
    /// Its end of the cable goes with it, and so does ours.
    fn drop(&mut self) {
        run_if_there("ip", &format!("netns del {}", self.name));
    }
}
