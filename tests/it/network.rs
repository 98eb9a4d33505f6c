//! A network of the step's own: it leads where the host's leads, and not to the host.
//!
//! The host is a network namespace around the program: two interfaces that lead nowhere, and servers on one of them, on
//! the host's own address and on its loopback.

use crate::harness::base::program;
use crate::harness::env::program_under_test;
use crate::harness::{Base, Invocation, TestEnv, skip};

/// Makes the network, starts the servers, and does what follows. `pasta` is the only process that may run in it besides.
const HOST: &str = r#"
set -eu
mount --make-rprivate /
printf 'nameserver 127.0.0.53\n' >resolv.conf
mount --bind resolv.conf /etc/resolv.conf
! [ -e /run/systemd/resolve/resolv.conf ] || mount --bind resolv.conf /run/systemd/resolve/resolv.conf
ip link set lo up
ip tuntap add here mode tap
ip address add 10.77.0.2/24 dev here
ip link set here up
ip tuntap add there mode tap
ip address add 10.78.0.1/32 dev there
ip link set there up
ip route add default via 10.77.0.1 dev here
rm -f ready
python3 servers.py &
servers=$!
trap 'kill $servers' EXIT
until [ -e ready ]; do sleep 0.05; done
pastas() {
  for process in /proc/[0-9]*; do
    [ "$(readlink $process/ns/net 2>/dev/null)" = "$(readlink /proc/self/ns/net)" ] || continue
    case $(cat $process/comm 2>/dev/null) in pasta* | passt*) echo "${process#/proc/}" ;; esac
  done
}
"#;

/// Each server says by what it was reached. The resolver knows one answer.
const SERVERS: &str = r#"
import select, socket
servers = {}
for address, port in [("10.78.0.1", 80), ("10.77.0.2", 81), ("127.0.0.1", 82)]:
    server = socket.create_server((address, port))
    servers[server] = address
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.bind(("127.0.0.53", 53))
open("ready", "w").close()
while True:
    for ready in select.select([resolver, *servers], [], [])[0]:
        if ready is resolver:
            query, who = resolver.recvfrom(512)
            question = query[12 : query.index(b"\0", 12) + 5]
            head = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("10.78.0.1")
            resolver.sendto(head + question + answer, who)
        else:
            client = ready.accept()[0]
            client.sendall(b"by %s\n" % servers[ready].encode())
            client.close()
"#;

/// What a step meets, a line for each place.
const LOOK: &str = r#"mkfifo /open; get() { echo "$1: $(nc -w 5 $2 <>/open 2>/dev/null || echo refused)"; }
cat /etc/resolv.conf; nslookup name.test | grep '^Address: '
get outside '10.78.0.1 80'; get own-address '10.77.0.2 81'; get loopback '127.0.0.1 82'; get gateway '10.77.0.1 82'
echo pastas: $(pidof pasta pasta.avx2 passt passt.avx2)."#;

/// The test's scratch directory on such a host; `None` where there cannot be one.
fn host(test: &str) -> Option<TestEnv> {
    if !skip::unless_installed(test, &["pasta", "ip", "unshare", "python3"]) {
        return None;
    }
    let tun = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    if let Err(error) = tun {
        skip::because_of_host(test, &format!("/dev/net/tun: {error}"));
        return None;
    }
    let env = TestEnv::new();
    env.write("servers.py", SERVERS);
    Some(env)
}

/// A script on that host, in which `build` builds in the directory `context`, and `build_without_landlock` does so as on
/// an older kernel.
fn on_host(env: &TestEnv, dockerfile: &str, script: &str) -> Invocation {
    env.context("context", &[("Dockerfile", dockerfile)]);
    let unshare = env.unshare(&["--net", "--mount"]);
    let deny = program("deny");
    let program = program_under_test().display().to_string();
    let base = Base::Busybox.as_context();
    let build = format!(
        "build() {{ $around '{program}' build --progress plain --build-context '{base}' \"$@\" context; }}\n\
        build_without_landlock() {{ around='{} 38 landlock_create_ruleset'; build \"$@\"; }}; around=",
        deny.display()
    );
    unshare.args(["sh", "-c", &format!("{HOST}\n{build}\n{script}")])
}

#[test]
fn a_private_network_leads_out_and_not_to_the_host() {
    let Some(env) = host("network::a_private_network_leads_out_and_not_to_the_host") else {
        return;
    };
    let dockerfile = format!("FROM busybox:local\nRUN <<E\n{LOOK}\nE\n");
    let script = "build --network private; echo left: $(pastas).";
    let private = on_host(&env, &dockerfile, script).run().success();
    private
        .prints("left: .")
        .says("nameserver 169.254.1.1")
        .says("Address: 10.78.0.1")
        .says("outside: by 10.78.0.1")
        .says("own-address: refused")
        .says("loopback: refused")
        .says("gateway: refused")
        .says("pastas: .");

    // It is not in the key: what was made on the one network is found from the other. And a warm build starts nothing.
    let script = "mkdir empty; PATH=empty build --network pasta";
    on_host(&env, &dockerfile, script)
        .run()
        .success()
        .says("#2 CACHED");
}

#[test]
fn without_landlock_the_default_network_is_a_private_one() {
    let Some(env) = host("network::without_landlock_the_default_network_is_a_private_one") else {
        return;
    };
    let dockerfile = format!("FROM busybox:local\nRUN <<E\n{LOOK}\nE\n");
    let default = on_host(&env, &dockerfile, "build_without_landlock")
        .run()
        .success();
    default.says("outside: by 10.78.0.1").says("loopback: refused");
    let host = "build_without_landlock --network host --no-cache";
    let host = on_host(&env, &dockerfile, host).run().success();
    host.says("outside: by 10.78.0.1").says("loopback: by 127.0.0.1");
    let with = on_host(&env, &dockerfile, "build --no-cache").run().success();
    with.says("loopback: by 127.0.0.1");
}

#[test]
fn what_connects_a_step_dies_with_it() {
    let Some(env) = host("network::what_connects_a_step_dies_with_it") else {
        return;
    };
    let script = "set +e\nfor signal in KILL TERM; do\n\
        build --network private >log-$signal 2>&1 & build=$!\n\
        until grep -q READY log-$signal; do sleep 0.05; done\n\
        [ -n \"$(pastas)\" ] && echo connected\n\
        children=$(pgrep -P $build -x rbuild | head -1)\n\
        kill -$signal ${children:-$build}; wait $build\n\
        until [ -z \"$(pastas)\" ]; do sleep 0.05; done; echo gone after $signal\n\
        done";
    let dockerfile = "FROM busybox:local\nRUN echo REA''DY; sleep 1000\n";
    let outcome = on_host(&env, dockerfile, script).run().success();
    let expected = "connected\ngone after KILL\nconnected\ngone after TERM";
    assert_eq!(outcome.out(), expected);
}

#[test]
fn what_keeps_a_network_from_being_connected_is_told() {
    let Some(env) = host("network::what_keeps_a_network_from_being_connected_is_told") else {
        return;
    };
    let dockerfile = "FROM busybox:local\nRUN ip address\n";
    let fails = "mkdir fake; printf '#!/bin/sh\\necho boom >&2; exit 7\\n' >fake/pasta; chmod +x fake/pasta\n\
        PATH=$PWD/fake:$PATH; build --network private";
    on_host(&env, dockerfile, fails)
        .run()
        .no_panic()
        .exits(125)
        .says("cannot connect the step's own network: pasta: boom")
        .says("`--network none` is loopback alone");

    // A host without a way out has none to give, which is no error.
    let alone = "ip route del default; build --network private";
    let outcome = on_host(&env, dockerfile, alone).run().success();
    outcome.says("inet 127.0.0.1/8").never_says("inet 10.");
}
