//! Many hosts at the same time, whose flows have to do with each other.

use super::files;
use super::names::message;
use crate::scene::{On, Scene};

const SERVERS: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

fn get(scene: &mut Scene, on: On, path: &str) {
    scene.client(on, format!("GET {path} HTTP/1.1\r\nHost: crowd.example\r\n\r\n"));
    scene.server(on, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/// One host's doings. `open` connections are never closed, and used by another anew after they have timed out.
fn member(number: usize) -> Scene {
    let client = format!("10.1.{}.{}", number / 8, 1 + number % 8);
    let client = client.as_str();
    let web = |at: usize| (SERVERS[(number + at) % SERVERS.len()], 80);
    let mut scene = Scene::default();
    let page = scene.tcp((client, 40_000), web(0));
    if !number.is_multiple_of(3) {
        get(&mut scene, page, "/mark");
    }
    for _ in 0..number % 4 {
        get(&mut scene, page, "/login");
    }
    let other = scene.tcp((client, 40_001), (SERVERS[number % 2], 9999));
    scene.client(other, "\x01\x02set-the-pair");
    let dns = scene.udp((client, 40_002), ("192.0.2.53", 53));
    scene.client(dns, message(1, false, "www.example", 0));
    scene.server(dns, message(1, true, "www.example", 10));
    // An odd number of them turns, so that something is turned.
    let path = if number == 4 { "/mark" } else { ["/unmark", "/turn", "/mark"][number % 3] };
    get(&mut scene, page, path);
    scene.client(other, "\x01\x02ask-hosts");
    scene.close(other);
    scene.client(dns, message(2, false, "again.example", 0));
    scene.server(dns, message(2, true, "again.example", 10));
    let second = scene.tcp((client, 40_003), web(1));
    get(&mut scene, second, "/login?a=1");
    get(&mut scene, second, "/login?a=2");
    scene.close(second);
    let datagram = scene.udp((client, 40_004), (SERVERS[number % 3], 9998));
    scene.client(datagram, "ask-hosts");
    if number.is_multiple_of(2) {
        scene.close(page);
    }
    let left = scene.tcp((client, 40_005), (SERVERS[number % 2], 9999));
    scene.client(left, format!("\x01\x02left-open by {number}"));
    scene
}

/// So many hosts, twice: the second time with the same ports, long after.
pub(crate) fn crowd(hosts: usize) -> Scene {
    let all = || Scene::together((0..hosts).map(member).collect());
    let mut first = all();
    first.wait(2000);
    first.then(all())
}

/// So many hosts that fetch files from two servers.
pub(crate) fn fetchers(hosts: usize) -> Scene {
    let fetch = |number: usize| {
        let server = ["192.0.2.5", "192.0.2.6"][number % 2];
        files::passive(&format!("10.2.0.{}", number + 1), server, 41_000 + 10 * number as u16)
    };
    Scene::together((0..hosts).map(fetch).collect())
}
