//! The words of mathematical text: commands of LaTeX, functions, units.

/// A function of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Function {
    Sin,
    Cos,
    Tan,
    Cot,
    Sec,
    Csc,
    Arcsin,
    Arccos,
    Arctan,
    Sinh,
    Cosh,
    Tanh,
    Ln,
    Log,
    Exp,
    Abs,
    Floor,
    Ceil,
}

/// A function by its name, with or without a backslash.
pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "sin" => Function::Sin,
        "cos" => Function::Cos,
        "tan" | "tg" => Function::Tan,
        "cot" => Function::Cot,
        "sec" => Function::Sec,
        "csc" => Function::Csc,
        "arcsin" => Function::Arcsin,
        "arccos" => Function::Arccos,
        "arctan" => Function::Arctan,
        "sinh" => Function::Sinh,
        "cosh" => Function::Cosh,
        "tanh" => Function::Tanh,
        "ln" => Function::Ln,
        "log" => Function::Log,
        "exp" => Function::Exp,
        "abs" => Function::Abs,
        _ => return None,
    })
}

/// A command that is a letter.
pub(super) fn is_letter(name: &str) -> bool {
    const LETTERS: [&str; 36] = [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Sigma",
        "Phi",
        "Psi",
        "Omega",
        "ell",
        "hbar",
    ];
    LETTERS.contains(&name)
}

/// A command that changes nothing of the meaning.
pub(super) fn is_nothing(name: &str) -> bool {
    const NOTHING: [&str; 17] = [
        "left",
        "right",
        "big",
        "Big",
        "bigg",
        "Bigg",
        "bigl",
        "bigr",
        "Bigl",
        "Bigr",
        "displaystyle",
        "textstyle",
        "limits",
        "quad",
        "qquad",
        "mleft",
        "mright",
    ];
    NOTHING.contains(&name)
}

/// A command whose braces hold text.
pub(super) fn is_text(name: &str) -> bool {
    const TEXT: [&str; 9] = [
        "text",
        "textbf",
        "textit",
        "textrm",
        "textnormal",
        "mbox",
        "mathrm",
        "mathbf",
        "mathit",
    ];
    TEXT.contains(&name)
}

/// A word that is a unit or a name of what is counted, which an answer may carry or leave out.
pub(super) fn is_unit(word: &str) -> bool {
    const UNITS: [&str; 102] = [
        "acre",
        "acres",
        "apples",
        "bits",
        "bytes",
        "cans",
        "cc",
        "cent",
        "centimeter",
        "centimeters",
        "cents",
        "cm",
        "coins",
        "cubic",
        "cups",
        "day",
        "days",
        "deg",
        "degree",
        "degrees",
        "digits",
        "dm",
        "dollar",
        "dollars",
        "edges",
        "euro",
        "euros",
        "feet",
        "foot",
        "ft",
        "gallon",
        "gallons",
        "gm",
        "gram",
        "grams",
        "hectares",
        "hour",
        "hours",
        "hr",
        "hrs",
        "inch",
        "inches",
        "integers",
        "kg",
        "kilogram",
        "kilograms",
        "kilometer",
        "kilometers",
        "km",
        "kmh",
        "kph",
        "lb",
        "lbs",
        "liter",
        "liters",
        "litre",
        "litres",
        "meal",
        "meals",
        "meter",
        "meters",
        "metre",
        "metres",
        "mile",
        "miles",
        "min",
        "mins",
        "minute",
        "minutes",
        "ml",
        "mm",
        "month",
        "months",
        "mph",
        "ounces",
        "oz",
        "people",
        "per",
        "percentage",
        "persons",
        "points",
        "pound",
        "pounds",
        "rad",
        "radians",
        "rupees",
        "sec",
        "second",
        "seconds",
        "sq",
        "square",
        "students",
        "tickets",
        "unit",
        "units",
        "ways",
        "week",
        "weeks",
        "yard",
        "yards",
        "year",
        "years",
    ];
    UNITS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found() {
        for unit in ["acre", "cm", "weeks", "years", "mins", "minutes", "square"] {
            assert!(is_unit(unit), "{unit}");
        }
        assert!(!is_unit("xyz"));
    }
}
