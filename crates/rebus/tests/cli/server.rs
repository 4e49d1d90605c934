//! A store on a server: the same commands and the same results as in a folder. The server is the one that
//! REBUS_TEST_POSTGRES names.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    done, emoji, failed,
    find::{content, json, loose},
};

/// A database of its own on the server.
struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A new one, if there is a server.
    fn new(name: &str) -> Option<Self> {
        let Ok(server) = std::env::var("REBUS_TEST_POSTGRES") else {
            // Past what the test runner keeps to itself.
            let _ = std::io::stderr().write_all(
                b"skipped: REBUS_TEST_POSTGRES names no server; scripts/with_postgres.sh starts one\n",
            );
            return None;
        };
        let database = Self { server, name: format!("rebus_{name}_{}", std::process::id()) };
        database.tell(&format!("CREATE DATABASE {}", database.name));
        Some(database)
    }

    fn tell(&self, sql: &str) {
        let mut client =
            postgres::Client::connect(&format!("{}/postgres", self.server), postgres::NoTls).unwrap();
        client.batch_execute(sql).unwrap();
    }

    fn address(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.tell(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

#[test]
fn a_server_finds_what_a_folder_finds() {
    let Some(database) = Database::new("finds") else { return };
    let address = database.address();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    loose(place, 40);
    let emoji = emoji();
    let same = |args: &[&str]| {
        let here = done(place, &[args, &["--store", "store"]].concat());
        let there = done(place, &[args, &["--store", &address]].concat());
        assert_eq!(here, there, "{args:?}");
        here
    };
    same(&["index", "add", emoji.to_str().unwrap(), "pictures", "--json"]);
    same(&["index", "show"]);
    let filter = "group = 'Food & Drink' AND width >= 64 OR group LIKE 'anim%'";
    for args in [
        &["search", "red apple", "--json", "-k", "30"][..],
        &["search", "red", "--image", "pictures/002.png", "--without", "face", "--json"],
        &["search", "red", "--where", filter, "--json", "-k", "200"],
        &["search", "red", "--of", "caption", "--json", "-k", "60"],
        &["search", "--text", "face with tears 苹果", "--json", "-k", "60"],
        &["search", "a smile", "--text", "face", "--where", "group IS NOT NULL", "--json"],
        &["caption", "pictures/004.png", "--json"],
        &["duplicates", "--threshold", "0.9", "--json"],
    ] {
        assert!(json(&same(args)).as_array().is_some_and(|found| !found.is_empty()), "{args:?}");
    }
    std::fs::remove_file(place.join("pictures/000.png")).unwrap();
    std::fs::write(place.join("pictures/004.txt"), "a whale").unwrap();
    let report = json(&same(&["index", "sync", "--json"]));
    assert_eq!((&report["changed"], &report["forgotten"]), (&1.into(), &1.into()), "{report}");
    assert!(same(&["search", "--text", "whale"]).contains("pictures/004.png"));
    same(&["index", "remove", "pictures"]);
    same(&["index", "show"]);
}

#[test]
fn several_share_the_work_on_a_server_and_killed_work_goes_on() {
    let Some(database) = Database::new("shares") else { return };
    let address = database.address();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    loose(place, 200);
    let start = || {
        Command::new(assert_cmd::cargo::cargo_bin("rebus"))
            .current_dir(place)
            .args(["index", "add", "pictures", "--json", "--store", &address])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    for delay in [60, 350, 700] {
        let mut child = start();
        std::thread::sleep(Duration::from_millis(delay));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    for output in both {
        assert!(output.status.success());
    }
    done(place, &["index", "add", "pictures", "--store", "store"]);
    assert_eq!(content(Path::new(&address)), content(&place.join("store")));
}

#[test]
fn a_server_that_cannot_be_used_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let search = |address: &str| failed(folder.path(), &["search", "x", "--store", address]);
    let (code, said) = search("postgres://ann:secret@127.0.0.1:1/pictures");
    assert!(code == 1 && said.contains("postgres://127.0.0.1:1/pictures"), "{said}");
    assert!(said.contains("refused") && !said.contains("secret"), "{said}");
    let (code, said) = search("postgres://ann:secret@127.0.0.1:x/pictures");
    assert!(code == 2 && said.contains("port") && said.contains("HOST:PORT/DATABASE"), "{said}");
    let Some(database) = Database::new("empty") else { return };
    let (code, said) = search(&database.address());
    assert!(code == 2 && said.contains("there is no store at postgres://"), "{said}");
}
