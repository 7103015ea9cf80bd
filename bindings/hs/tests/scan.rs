//! The wrapper against a plain search.

use umbra_hs::{Database, Expression, HsError, Literal, Next, Scanned, Scratch};

fn ends(database: &Database, data: &[u8]) -> Vec<(u32, usize)> {
    let mut scratch = Scratch::for_database(database).unwrap();
    let mut found = Vec::new();
    let scanned = database.scan(data, &mut scratch, |id, end| {
        found.push((id, end));
        Next::GoOn
    });
    assert_eq!(scanned, Ok(Scanned::Whole));
    found.sort_unstable();
    found
}

#[test]
fn literals_of_any_bytes_match_where_they_are() {
    let literals = [
        Literal { id: 1, bytes: b"a\0b", nocase: false },
        Literal { id: 2, bytes: b"\xff\xfe", nocase: false },
        Literal { id: 3, bytes: b"GeT", nocase: true },
        Literal { id: 4, bytes: b".*", nocase: false },
        Literal { id: 5, bytes: b"x", nocase: false },
    ];
    let database = Database::literals(&literals).unwrap();
    assert_eq!(
        ends(&database, b"xa\0b get.* \xff\xfe A\0B"),
        [(1, 4), (2, 13), (3, 8), (4, 10), (5, 1)]
    );
    assert_eq!(ends(&database, b""), []);
}

#[test]
fn expressions_match_and_bad_ones_are_named() {
    let expression = |id, pattern| Expression {
        id,
        pattern,
        nocase: false,
        dot_all: false,
        multi_line: false,
        single_match: true,
    };
    let database = Database::expressions(&[expression(9, r"a\x00+b")]).unwrap();
    assert_eq!(ends(&database, b"a\0\0b a\0b"), [(9, 4)]);
    let error = Database::expressions(&[expression(1, "ok"), expression(5, "(a)\\1")]).unwrap_err();
    assert!(matches!(error, HsError::Compile { pattern: Some(5), .. }), "{error}");
}

#[test]
fn nothing_to_look_for_is_an_error() {
    assert_eq!(Database::literals(&[]).unwrap_err(), HsError::NoPatterns);
    let empty = [Literal { id: 3, bytes: b"", nocase: false }];
    assert_eq!(Database::literals(&empty).unwrap_err(), HsError::EmptyLiteral { id: 3 });
}

#[test]
fn a_scan_stops_when_told_and_the_scratch_goes_on() {
    let database = Database::literals(&[Literal { id: 0, bytes: b"a", nocase: false }]).unwrap();
    let mut scratch = Scratch::for_database(&database).unwrap();
    let mut count = 0;
    let stopped = database.scan(b"aaaa", &mut scratch, |_, _| {
        count += 1;
        Next::Stop
    });
    assert_eq!((stopped, count), (Ok(Scanned::Stopped), 1));
    let whole = database.scan(b"aaaa", &mut scratch, |_, _| {
        count += 1;
        Next::GoOn
    });
    assert_eq!((whole, count), (Ok(Scanned::Whole), 5));
}

#[test]
fn a_panic_in_the_closure_comes_out_of_the_scan() {
    let database = Database::literals(&[Literal { id: 0, bytes: b"a", nocase: false }]).unwrap();
    let mut scratch = Scratch::for_database(&database).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = database.scan(b"aaaa", &mut scratch, |_, _| panic!("on purpose"));
    }));
    assert_eq!(*panicked.unwrap_err().downcast_ref::<&str>().unwrap(), "on purpose");
    assert_eq!(database.scan(b"b", &mut scratch, |_, _| Next::Stop), Ok(Scanned::Whole));
}

#[test]
fn one_scratch_serves_many_databases_and_threads_get_their_own() {
    let one = Database::literals(&[Literal { id: 1, bytes: b"one", nocase: false }]).unwrap();
    let words: Vec<String> = (0..5000).map(|i| format!("word{i:05}")).collect();
    let literals: Vec<_> = words
        .iter()
        .enumerate()
        .map(|(i, w)| Literal { id: i as u32, bytes: w.as_bytes(), nocase: true })
        .collect();
    let many = Database::literals(&literals).unwrap();
    let mut scratch = Scratch::for_database(&one).unwrap();
    scratch.fit(&many).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut own = scratch.try_clone().unwrap();
            let (one, many) = (&one, &many);
            scope.spawn(move || {
                let mut seen = Vec::new();
                many.scan(b"..WORD04999..", &mut own, |id, _| {
                    seen.push(id);
                    Next::GoOn
                })
                .unwrap();
                one.scan(b"one", &mut own, |id, _| {
                    seen.push(id);
                    Next::GoOn
                })
                .unwrap();
                assert_eq!(seen, [4999, 1]);
            });
        }
    });
}

#[test]
fn a_database_survives_being_stored() {
    let database = Database::literals(&[Literal { id: 8, bytes: b"kept", nocase: false }]).unwrap();
    let mut bytes = database.to_bytes().unwrap();
    // SAFETY: straight from `to_bytes`.
    let restored = unsafe { Database::from_bytes(&bytes) }.unwrap();
    assert_eq!(ends(&restored, b"is kept"), [(8, 7)]);
    bytes.truncate(10);
    // SAFETY: truncated, which the library checks before anything else.
    assert!(unsafe { Database::from_bytes(&bytes) }.is_err());
}
