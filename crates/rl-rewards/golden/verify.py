"""Makes `verify_math.csv`: 500 pairs of answers by rule, and what math-verify says of them in both orders.

    python -m venv env && env/bin/pip install math-verify==0.9.0 && env/bin/python verify.py

Every kind has pairs that are equal in meaning (`same` is 1) and pairs that are not. Each text is given to math-verify in dollars.
"""

import csv
import random
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

from math_verify import parse, verify

draw = random.Random(19)


def whole(low, high, without=(0,)):
    while (n := draw.randint(low, high)) in without:
        pass
    return n


def frac(f, command="frac"):
    sign = "-" if f < 0 else ""
    return f"{sign}\\{command}{{{abs(f.numerator)}}}{{{f.denominator}}}"


def fraction():
    while (f := Fraction(whole(-40, 40), whole(2, 25))).denominator == 1:
        pass
    return f


def two(forms, value, other):
    """One form of a value, and another form of it or of another value."""
    a, b = draw.sample(forms, 2)
    same = draw.random() < 0.5
    return a(value), b(value if same else other), same


def integers():
    n = whole(-30000, 90000)
    forms = [str, lambda n: f"{n}.0", lambda n: f"{n:,}", lambda n: f"{n:,}".replace(",", "{,}"), lambda n: f"{n}.00"]
    return two(forms, n, draw.choice([-n, n + 1, n * 10]))


def fractions():
    f = fraction()
    k = whole(2, 6)

    def unreduced(f):
        return f"{'-' if f < 0 else ''}\\frac{{{abs(f.numerator) * k}}}{{{f.denominator * k}}}"

    forms = [frac, lambda f: frac(f, "dfrac"), lambda f: frac(f, "tfrac"), lambda f: f"{f.numerator}/{f.denominator}", unreduced,
             lambda f: f"\\frac{{{f.numerator}}}{{{f.denominator}}}"]
    return two(forms, f, draw.choice([1 / f, -f, f + 1]))


def mixed():
    n, f = whole(1, 9), abs(fraction()) % 1
    other = draw.choice([n + 1, n + 2])
    same = draw.random() < 0.5
    return f"{n}{frac(f)}", frac((n if same else other) + f), same


def decimals():
    places = whole(1, 4)
    n = whole(-9999, 9999)
    while n % 10 == 0:
        n += 1
    value = Fraction(n, 10**places)

    def plain(v):
        return f"{float(v):.{places}f}"

    def bare(v):
        text = plain(v)
        return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text

    forms = [plain, lambda v: plain(v) + "0", bare, frac]
    return two(forms, value, draw.choice([value * 10, -value, value + 1]))


def scientific():
    n, k = whole(11, 99, (10, 20, 30, 40, 50, 60, 70, 80, 90)), whole(2, 7)
    value = n * 10 ** (k - 1)
    mantissa = f"{n // 10}.{n % 10}"
    same = draw.random() < 0.5
    command = draw.choice(["times", "cdot"])
    return f"{mantissa} \\{command} 10^{{{k}}}", str(value if same else value * 10), same


def percentages():
    p = whole(1, 99)
    same = draw.random() < 0.5
    q = p if same else p + 1
    forms = [f"{q}\\%", str(q), frac(Fraction(q, 100)), f"{q / 100}"]
    return f"{p}\\%", draw.choice(forms), same


def units():
    n = whole(2, 500)
    unit = draw.choice([r"\text{ cm}", r"\text{ cm}^2", r"\text{ dollars}", r"^\circ", r"\text{ hours}", r"\text{ units}", " cm"])
    dollar = draw.random() < 0.15
    same = draw.random() < 0.5
    return (f"\\${n}" if dollar else f"{n}{unit}"), str(n if same else n + 1), same


def roots():
    k, m = whole(2, 9), draw.choice([2, 3, 5, 6, 7, 10, 11])
    same = draw.random() < 0.5
    n = m if same else m + 1
    forms = [
        (f"{k}\\sqrt{{{m}}}", f"\\sqrt{{{k * k * n}}}"),
        (f"\\frac{{{k}}}{{\\sqrt{{{m}}}}}", f"\\frac{{{k}\\sqrt{{{n}}}}}{{{n if same else m}}}"),
        (f"{k}+\\sqrt{{{m}}}", f"\\sqrt{{{n}}}+{k}"),
        (f"{k}-{k + 1}\\sqrt{{{m}}}", f"-{k + 1}\\sqrt{{{n}}}+{k}"),
        (f"\\sqrt[3]{{{k**3}}}", str(k if same else k + 1)),
        (f"\\sqrt{{{m}}}", f"{n}^{{1/2}}"),
    ]
    a, b = draw.choice(forms)
    return a, b, same


def circles():
    f = abs(fraction())
    a, b = f.numerator, f.denominator
    same = draw.random() < 0.5
    c = a if same else a + b
    forms = [f"\\frac{{{c}\\pi}}{{{b}}}", f"\\frac{{{c}}}{{{b}}}\\pi", f"{c}\\pi/{b}", f"\\pi\\cdot\\frac{{{c}}}{{{b}}}"]
    return f"\\frac{{{a}\\pi}}{{{b}}}", draw.choice(forms[1:]), same


def signed(n):
    return f"+{n}" if n >= 0 else str(n)


def polynomials():
    a, b = whole(-9, 9), whole(-9, 9, (0,))
    while a + b == 0 or abs(a + b) == 1:
        b = whole(-9, 9, (0,))
    same = draw.random() < 0.5
    c = a * b if same else a * b + whole(1, 5)
    expanded = f"x^2{signed(a + b)}x{signed(c)}"
    reordered = f"{c}{signed(a + b)}x+x^2"
    return f"(x{signed(a)})(x{signed(b)})", draw.choice([expanded, reordered]), same


def formulas():
    n, m = whole(2, 9), whole(2, 9)
    same = draw.random() < 0.5
    k = m if same else m + 1
    forms = [
        (f"\\frac{{x}}{{{n}}}+{m}", f"{k}+\\frac{{1}}{{{n}}}x"),
        (f"{n}x^2y", f"{n if same else k + n}yx^2"),
        (f"\\frac{{x^2-{m * m}}}{{x-{m}}}", f"x+{k}"),
        (f"2^{{n+{m}}}", f"{2**k}\\cdot 2^n"),
        (f"{n}(a+b)+{m}", f"{n}a+{n}b+{k}"),
        (f"\\frac{{n(n+{m})}}{{2}}", f"\\frac{{n^2+{k}n}}{{2}}"),
        (f"e^{{{m}x}}", f"(e^x)^{{{k}}}"),
    ]
    a, b = draw.choice(forms)
    return a, b, same


def functions():
    n, m = whole(2, 5), whole(2, 4)
    same = draw.random() < 0.5
    k = m if same else m + 1
    forms = [
        (f"\\log_{{{n}}} {n**m}", str(k)),
        (f"\\ln {n**m}", f"{k}\\ln {n}"),
        (f"\\binom{{{n + m}}}{{{m}}}", str(binomial(n + m, m) + (not same))),
        (f"{m + 2}!", str(factorial(k + 2))),
        (f"{n}^{{-{m}}}", frac(Fraction(1, n**k))),
        ("\\sin^2 x+\\cos^2 x", "1" if same else "2"),
        ("\\cos \\frac{\\pi}{3}", "\\frac{1}{2}" if same else "\\frac{1}{3}"),
        (f"|-{n}|", str(n if same else -n)),
    ]
    a, b = draw.choice(forms)
    return a, b, same


def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def binomial(n, k):
    return factorial(n) // factorial(k) // factorial(n - k)


def sets():
    elements = draw.sample(range(-9, 30), whole(2, 4))
    other = draw.sample(elements, len(elements))
    same = draw.random() < 0.5
    if not same:
        other[0] += 40
    forms = [lambda e: ", ".join(map(str, e)), lambda e: "\\{" + ", ".join(map(str, e)) + "\\}",
             lambda e: "\\left\\{" + ",".join(map(str, e)) + "\\right\\}"]
    return draw.choice(forms)(elements), draw.choice(forms)(other), same


def tuples():
    elements = [Fraction(whole(-9, 9), draw.choice([1, 1, 2, 3])) for _ in range(whole(2, 3))]
    same = draw.random() < 0.5
    other = list(elements)
    if not same:
        other[-1] += 1

    def written(e, command):
        return ", ".join(frac(f, command) if f.denominator > 1 else str(f) for f in e)

    return f"({written(elements, 'frac')})", f"\\left({written(other, 'dfrac')}\\right)", same


def intervals():
    a = whole(-9, 9)
    b = a + whole(1, 9)
    opens, closes = draw.choice("(["), draw.choice(")]")
    kind = draw.randrange(4)
    same = draw.random() < 0.5
    c = b if same else b + 1
    if kind == 0:
        return f"{opens}{a}, {b}{closes}", f"\\left{opens}{a},{c}\\right{closes}", same
    if kind == 1:
        return f"(-\\infty, {b}{closes}", f"\\left(-\\infty,{c}\\right{closes}", same
    if kind == 2:
        return f"{opens}{b}, \\infty)", f"\\left{opens}{c},\\infty\\right)", same
    first, second = f"(-\\infty,{a}{closes}", f"{opens}{b + 1},\\infty)"
    return f"{first} \\cup {second}", f"{first} \\cup {opens}{c + 1},\\infty)", same


def equations():
    n, m = whole(2, 9), whole(-9, 9)
    same = draw.random() < 0.5
    k = m if same else m + 11
    forms = [
        (f"x={m}", str(k)),
        (f"x = {m}", f"x={k}.0"),
        (str(m), f"y={k}"),
        (f"y={n}x{signed(m)}", f"y={k}+{n}x"),
        (f"y={n}x{signed(m)}", f"{n}x-y{signed(k)}=0"),
        (f"x<{m}", f"{k}>x"),
        (f"x \\le {m}", f"x \\leq {k}"),
    ]
    a, b = draw.choice(forms)
    return a, b, same


def matrices():
    cells = [[whole(-9, 9) for _ in range(2)] for _ in range(whole(1, 2))]
    same = draw.random() < 0.5
    other = [list(row) for row in cells]
    if not same:
        other[0][0] += 1

    def written(rows, name):
        return f"\\begin{{{name}}}" + " \\\\ ".join(" & ".join(map(str, row)) for row in rows) + f"\\end{{{name}}}"

    return written(cells, "pmatrix"), written(other, "bmatrix"), same


def words():
    names = ["blue", "Monday", "even", "Evelyn", "north", "square", "rhombus", "ellipse"]
    a, b = draw.sample(names, 2)
    same = draw.random() < 0.5
    return f"\\text{{{a}}}", f"\\text{{{a if same else b}}}", same


def rounded():
    f = Fraction(whole(1, 50), draw.choice([3, 7, 9, 11, 13]))
    while f.denominator == 1:
        f += Fraction(1, 3)
    same = draw.random() < 0.5
    places = whole(6, 9) if same else 2
    return frac(f), f"{float(f):.{places}f}", same


KINDS = [integers, fractions, mixed, decimals, scientific, percentages, units, roots, circles, polynomials, formulas, functions, sets,
         tuples, intervals, equations, matrices, words, rounded]


def main():
    pairs = []
    seen = set()
    while len(pairs) < 500:
        kind = KINDS[len(pairs) % len(KINDS)]
        a, b, same = kind()
        if a != b and (a, b) not in seen:
            seen.add((a, b))
            pairs.append((kind.__name__, a, b, same))
    path = Path(__file__).with_name("verify_math.csv")
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["kind", "a", "b", "same", f"math-verify {version('math-verify')}", "other order"])
        for kind, a, b, same in pairs:
            x, y = parse(f"${a}$"), parse(f"${b}$")
            out.writerow([kind, a, b, int(same), int(verify(x, y)), int(verify(y, x))])


main()
