//! What the choice of shots does where it is known: the verb of an input sets the output, and the label is nearly noise. Both outcomes are built in.

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::text::{
    BinaryCounts, Bm25Config, Bm25Shots, FixedShots, RandomShots, Shots, bleu4, code_tokens,
    exact_match,
};

const SHOTS: usize = 4;
const ITEMS: usize = 300;

const STOP: [&str; 8] = ["the", "a", "of", "for", "in", "to", "with", "by"];

const OBJECTS: [&str; 10] = [
    "list", "file", "cache", "queue", "socket", "header", "token", "matrix", "tree", "session",
];

/// A verb and the end of its sentence.
const VERBS: [(&str, &str); 12] = [
    ("sum", "and return one number"),
    ("sort", "in ascending order"),
    ("open", "before anything is read"),
    ("close", "once both are flushed"),
    ("merge", "without repeats"),
    ("split", "at the first separator"),
    ("parse", "into a map of names"),
    ("hash", "with a secret salt"),
    ("copy", "but share their contents"),
    ("lock", "until the caller is done"),
    ("print", "to the standard output"),
    ("check", "or raise an error"),
];

struct Item {
    input: String,
    objects: [&'static str; 2],
    output: String,
    label: bool,
}

fn item(rng: &mut ChaCha8Rng) -> Item {
    let verb = rng.random_range(0..VERBS.len());
    let (name, end) = VERBS[verb];
    let mut tokens: Vec<&str> = (0..4)
        .map(|_| STOP[rng.random_range(0..STOP.len())])
        .collect();
    tokens.extend([name, name]);
    tokens.shuffle(rng);
    let objects: Vec<&str> = OBJECTS.sample(rng, 2).copied().collect();
    let objects = [objects[0], objects[1]];
    tokens.extend(objects);
    let yes = if verb < VERBS.len() / 2 { 0.6 } else { 0.5 };
    Item {
        input: tokens.join(" "),
        objects,
        output: format!("{name} the {} and the {} {end}", objects[0], objects[1]),
        label: rng.random::<f64>() < yes,
    }
}

/// The output of the shot that has most tokens in common with the query, the objects put in.
fn copied(pool: &[Item], shots: &[usize], query: &Item) -> String {
    let common = |place: &usize| {
        let mut own = code_tokens(&query.input);
        let tokens = code_tokens(&pool[*place].input);
        let found = tokens.iter().filter(|token| {
            let place = own.iter().position(|own| own == *token);
            place.map(|place| own.swap_remove(place)).is_some()
        });
        found.count()
    };
    let Some(place) = shots.iter().max_by_key(|place| common(place)) else {
        return String::new();
    };
    let shot = &pool[*place];
    let words = shot.output.split(' ').map(|word| {
        let place = shot.objects.iter().position(|object| *object == word);
        place.map_or(word, |place| query.objects[place])
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Exact match, smoothed BLEU and accuracy.
fn measured(shots: &impl Shots, pool: &[Item], queries: &[Item]) -> [f64; 3] {
    let (mut exact, mut alike, mut counts) = (0, 0.0, BinaryCounts::default());
    for (number, query) in queries.iter().enumerate() {
        let places = shots.shots(number as u64, &query.input, SHOTS);
        let answer = copied(pool, &places, query);
        exact += usize::from(exact_match(&answer, &query.output));
        alike += bleu4(&answer, &query.output);
        let yes = places.iter().filter(|place| pool[**place].label).count();
        let vote = match (2 * yes).cmp(&places.len()) {
            std::cmp::Ordering::Equal => places.last().map(|place| pool[*place].label),
            order => Some(order.is_gt()),
        };
        counts.add(vote, query.label);
    }
    let all = queries.len() as f64;
    [exact as f64 / all, alike / all, counts.accuracy()]
}

#[test]
fn retrieval_sets_the_output_and_not_the_label() {
    let mut rng = ChaCha8Rng::seed_from_u64(38);
    let mut items = || (0..ITEMS).map(|_| item(&mut rng)).collect::<Vec<_>>();
    let (pool, queries) = (items(), items());
    let inputs = || pool.iter().map(|item| &item.input);
    let fixed = measured(&FixedShots::new((0..SHOTS).collect()), &pool, &queries);
    let random = RandomShots::new(inputs(), 1).map(|shots| measured(&shots, &pool, &queries));
    let config = Bm25Config::new();
    let retrieved =
        Bm25Shots::new(&config, inputs()).map(|shots| measured(&shots, &pool, &queries));
    let (Ok(random), Ok(retrieved)) = (random, retrieved) else {
        unreachable!("the pool is not empty");
    };
    assert!(retrieved[0] > 0.95 && retrieved[1] > 0.97, "{retrieved:?}");
    for other in [fixed, random] {
        assert!((0.15..0.45).contains(&other[0]), "{other:?}");
        assert!((0.3..0.75).contains(&other[1]), "{other:?}");
        // 300 queries: a standard error of .03 each.
        assert!(
            (retrieved[2] - other[2]).abs() < 0.1,
            "{retrieved:?} {other:?}"
        );
    }
    for accuracy in [fixed[2], random[2], retrieved[2]] {
        assert!((0.42..0.66).contains(&accuracy), "{accuracy}");
    }
}
