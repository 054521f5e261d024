//! Whether two answers are the same. Every rule is written for both orders of its sides.

use super::evaluate::{POINTS, Work, evaluate, has_letters};
use super::exact::Exact;
use super::expression::Expr;
use super::number::{Computed, Gone, Number};
use super::structure::Answer;
use super::token::Relation;

/// The digits after its point that a decimal needs to stand for a value that has no end.
const ROUNDED_PLACES: usize = 6;

/// Whether both are the same answer.
pub(super) fn same(a: &Answer, b: &Answer, work: &Work) -> Computed<bool> {
    use Answer::{Chain, Interval, List, Matrix, Set, Tuple, Union, Value};
    match (a, b) {
        (Chain(sides, between), other @ Chain(_, more))
        | (other @ Chain(_, more), Chain(sides, between))
            if *between == [Relation::In] && *more != [Relation::In] =>
        {
            chain_and_other(sides, between, other, work)
        }
        (Chain(a, x), Chain(b, y)) => same_chains((a, x), (b, y), work),
        (Chain(sides, between), other) | (other, Chain(sides, between)) => {
            chain_and_other(sides, between, other, work)
        }
        (Value(a), Value(b)) => same_values(a, b, work),
        (Set(a) | List(a), Set(b) | List(b)) => same_elements(a, b, work),
        (Set(one) | Tuple(one), other) | (other, Set(one) | Tuple(one))
            if one.len() == 1 && matches!(other, Value(_)) =>
        {
            same(&one[0], other, work)
        }
        (Tuple(a), Tuple(b)) | (Tuple(a), List(b)) | (List(a), Tuple(b)) => in_order(a, b, work),
        (Union(a), Union(b)) => same_elements(a, b, work),
        (Matrix(a), Matrix(b)) => same_matrices(a, b, work),
        (Matrix(rows), Tuple(elements)) | (Tuple(elements), Matrix(rows)) => {
            let vector = rows.len() == 1 || rows.iter().all(|row| row.len() == 1);
            let entries: Vec<Answer> = rows.iter().flatten().cloned().map(Value).collect();
            Ok(vector && in_order(&entries, elements, work)?)
        }
        (Interval(..), _) | (_, Interval(..)) => match (interval(a), interval(b)) {
            (Some(a), Some(b)) => same_intervals(&a, &b, work),
            _ => Ok(false),
        },
        _ => Ok(false),
    }
}

fn in_order(a: &[Answer], b: &[Answer], work: &Work) -> Computed<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    all(a.iter().zip(b), |(a, b)| same(a, b, work))
}

/// Whether each element of either side is among those of the other.
fn same_elements(a: &[Answer], b: &[Answer], work: &Work) -> Computed<bool> {
    let within = |these: &[Answer], those: &[Answer]| {
        all(these.iter(), |one| {
            any(those.iter(), |other| same(one, other, work))
        })
    };
    Ok(within(a, b)? && within(b, a)?)
}

fn all<T>(items: impl Iterator<Item = T>, test: impl Fn(T) -> Computed<bool>) -> Computed<bool> {
    for item in items {
        if !test(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any<T>(items: impl Iterator<Item = T>, test: impl Fn(T) -> Computed<bool>) -> Computed<bool> {
    all(items, |item| test(item).map(|found| !found)).map(|none| !none)
}

fn same_matrices(a: &[Vec<Expr>], b: &[Vec<Expr>], work: &Work) -> Computed<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    all(a.iter().zip(b), |(a, b)| {
        let cells = || a.iter().zip(b);
        Ok(a.len() == b.len() && all(cells(), |(a, b)| same_values(a, b, work))?)
    })
}

type Ends<'a> = ([&'a Expr; 2], [bool; 2]);

/// An interval, or a pair that is one without its ends.
fn interval(answer: &Answer) -> Option<Ends<'_>> {
    match answer {
        Answer::Interval([low, high], closed) => Some(([low, high], *closed)),
        Answer::Tuple(pair) => match &pair[..] {
            [Answer::Value(low), Answer::Value(high)] => Some(([low, high], [false; 2])),
            _ => None,
        },
        _ => None,
    }
}

fn same_intervals(a: &Ends<'_>, b: &Ends<'_>, work: &Work) -> Computed<bool> {
    let ends = || a.0.into_iter().zip(b.0);
    Ok(a.1 == b.1 && all(ends(), |(a, b)| same_values(a, b, work))?)
}

/// `x = 5` beside `5`, `x \in A` beside `A`, `1 < x < 2` beside the interval.
fn chain_and_other(
    sides: &[Answer],
    between: &[Relation],
    other: &Answer,
    work: &Work,
) -> Computed<bool> {
    let (Some(first), Some(last)) = (sides.first(), sides.last()) else {
        return Ok(false);
    };
    let assigns = between.iter().all(|relation| *relation == Relation::Equal) && is_name(first);
    if assigns || between == [Relation::In] {
        return same(last, other, work);
    }
    let Some((low, high, closed)) = bounds(sides, between) else {
        return Ok(false);
    };
    match interval(other) {
        Some(other) => same_intervals(&([&low, &high], closed), &other, work),
        None => Ok(false),
    }
}

/// A letter, a word, or such with what it is a function of.
fn is_name(side: &Answer) -> bool {
    match side {
        Answer::Value(Expr::Symbol(_)) => true,
        Answer::Value(Expr::Product(factors)) => {
            let name =
                |(factor, divided): &(Expr, bool)| matches!(factor, Expr::Symbol(_)) && !divided;
            factors.iter().all(name)
        }
        Answer::Tuple(names) | Answer::List(names) => names.iter().all(is_name),
        _ => false,
    }
}

/// The interval of `x < b`, `a < x` or `a < x < b`.
fn bounds(sides: &[Answer], between: &[Relation]) -> Option<(Expr, Expr, [bool; 2])> {
    let mut values = Vec::new();
    for side in sides {
        let Answer::Value(value) = side else {
            return None;
        };
        values.push(value.clone());
    }
    let mut between = between.to_vec();
    let falls = [Relation::Greater, Relation::GreaterEqual];
    if falls.contains(between.first()?) {
        values.reverse();
        between.reverse();
        for relation in &mut between {
            *relation = flipped(*relation)?;
        }
    }
    let closed: Vec<bool> = between
        .iter()
        .map(|relation| match relation {
            Relation::Less => Some(false),
            Relation::LessEqual => Some(true),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let free = |value: &Expr| matches!(value, Expr::Symbol(_));
    let infinite = Expr::Infinity;
    match (&values[..], &closed[..]) {
        ([x, high], [closed]) if free(x) && !has_letters(high) => {
            let low = Expr::Neg(Box::new(infinite));
            Some((low, high.clone(), [false, *closed]))
        }
        ([low, x], [closed]) if free(x) && !has_letters(low) => {
            Some((low.clone(), infinite, [*closed, false]))
        }
        ([low, x, high], [a, b]) if free(x) && !has_letters(low) && !has_letters(high) => {
            Some((low.clone(), high.clone(), [*a, *b]))
        }
        _ => None,
    }
}

/// The relation read from the other side.
fn flipped(relation: Relation) -> Option<Relation> {
    Some(match relation {
        Relation::Less => Relation::Greater,
        Relation::LessEqual => Relation::GreaterEqual,
        Relation::Greater => Relation::Less,
        Relation::GreaterEqual => Relation::LessEqual,
        Relation::Equal | Relation::NotEqual => relation,
        Relation::In => return None,
    })
}

/// Two sides and what stands between them, never a "greater".
type Link<'a> = (&'a Answer, Relation, &'a Answer);

fn links<'a>(sides: &'a [Answer], between: &[Relation]) -> Vec<Link<'a>> {
    let pairs = sides.windows(2).zip(between);
    pairs
        .filter_map(|(pair, relation)| {
            let [left, right] = pair else { return None };
            Some(match relation {
                Relation::Greater => (right, Relation::Less, left),
                Relation::GreaterEqual => (right, Relation::LessEqual, left),
                _ => (left, *relation, right),
            })
        })
        .collect()
}

type Sides<'a> = (&'a [Answer], &'a [Relation]);

fn same_chains(a: Sides<'_>, b: Sides<'_>, work: &Work) -> Computed<bool> {
    let assigns = |(sides, between): Sides<'_>| {
        between.iter().all(|relation| *relation == Relation::Equal) && is_name(&sides[0])
    };
    if assigns(a)
        && assigns(b)
        && let ([a, .., x], [b, .., y]) = (a.0, b.0)
        && same(a, b, work)?
    {
        return same(x, y, work);
    }
    let (a, b) = (links(a.0, a.1), links(b.0, b.1));
    let within = |these: &[Link<'_>], those: &[Link<'_>]| {
        all(these.iter(), |one| {
            any(those.iter(), |other| same_links(one, other, work))
        })
    };
    Ok(a.len() == b.len() && within(&a, &b)? && within(&b, &a)?)
}

fn same_links(a: &Link<'_>, b: &Link<'_>, work: &Work) -> Computed<bool> {
    if a.1 != b.1 {
        return Ok(false);
    }
    if same(a.0, b.0, work)? && same(a.2, b.2, work)? {
        return Ok(true);
    }
    let either_way = matches!(a.1, Relation::Equal | Relation::NotEqual);
    if either_way && same(a.0, b.2, work)? && same(a.2, b.0, work)? {
        return Ok(true);
    }
    use Answer::Value;
    let (Value(l), Value(r), Value(m), Value(s)) = (a.0, a.2, b.0, b.2) else {
        return Ok(false);
    };
    proportional([l, r], [m, s], either_way, work)
}

/// Whether the differences of both pairs are the same but for a factor, which must be positive unless `any_sign`.
fn proportional(a: [&Expr; 2], b: [&Expr; 2], any_sign: bool, work: &Work) -> Computed<bool> {
    if ![a, b]
        .iter()
        .all(|pair| pair.iter().any(|side| has_letters(side)))
    {
        return Ok(false);
    }
    let mut factor: Option<Number> = None;
    for point in 0..POINTS {
        let difference =
            |[l, r]: [&Expr; 2]| evaluate(l, point, work)?.add(&evaluate(r, point, work)?.neg());
        let (a, b) = match (difference(a), difference(b)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(Gone::Undefined), Err(Gone::Undefined)) => continue,
            (Err(Gone::TooLarge), _) | (_, Err(Gone::TooLarge)) => return Err(Gone::TooLarge),
            _ => return Ok(false),
        };
        if a.is_zero() || b.is_zero() {
            return Ok(false);
        }
        let now = a.mul(&b.inverse()?)?;
        match &factor {
            Some(factor) if !factor.same(&now) => return Ok(false),
            Some(_) => {}
            None => factor = Some(now),
        }
    }
    Ok(factor.is_some_and(|factor| any_sign || !factor.negative()))
}

/// The value of a percentage without its sign.
fn percentage(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Percent(of) => Some((**of).clone()),
        Expr::Neg(of) => Some(Expr::Neg(Box::new(percentage(of)?))),
        _ => None,
    }
}

fn same_values(a: &Expr, b: &Expr, work: &Work) -> Computed<bool> {
    match (percentage(a), percentage(b)) {
        (Some(a), Some(b)) => same_numbers(&a, &b, work),
        (None, None) => same_numbers(a, b, work),
        // With its sign a percentage is a hundredth; a question for percents may be answered without the sign.
        (Some(bare), None) => Ok(same_numbers(&bare, b, work)? || same_numbers(a, b, work)?),
        (None, Some(bare)) => Ok(same_numbers(a, &bare, work)? || same_numbers(a, b, work)?),
    }
}

/// Whether an expression is infinite, and then whether it is negative.
fn infinite(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Infinity => Some(false),
        Expr::Neg(of) => infinite(of).map(|negative| !negative),
        _ => None,
    }
}

fn same_numbers(a: &Expr, b: &Expr, work: &Work) -> Computed<bool> {
    if infinite(a).is_some() || infinite(b).is_some() {
        return Ok(infinite(a) == infinite(b));
    }
    let points = if has_letters(a) || has_letters(b) {
        POINTS
    } else {
        1
    };
    let mut defined = false;
    for point in 0..points {
        match (evaluate(a, point, work), evaluate(b, point, work)) {
            (Ok(x), Ok(y)) if x.same(&y) => defined = true,
            (Ok(x), Ok(y)) => return Ok(points == 1 && rounded(a, b, &x, &y)),
            (Err(Gone::Undefined), Err(Gone::Undefined)) => {}
            (Err(Gone::TooLarge), _) | (_, Err(Gone::TooLarge)) => return Err(Gone::TooLarge),
            _ => return Ok(false),
        }
    }
    Ok(defined || a == b)
}

/// Whether one is a decimal with enough places, and the other a value without an end that is rounded to it.
fn rounded(a: &Expr, b: &Expr, x: &Number, y: &Number) -> bool {
    let decimal = |expr: &Expr, value: &Number| -> Option<Exact> {
        let inner = match expr {
            Expr::Neg(of) => of,
            other => other,
        };
        match (inner, value) {
            (Expr::Number(_, places), Number::Exact(value)) if *places >= ROUNDED_PLACES => {
                Some(value.clone())
            }
            _ => None,
        }
    };
    decimal(a, x).is_some_and(|a| y.rounds_to(&a)) || decimal(b, y).is_some_and(|b| x.rounds_to(&b))
}
