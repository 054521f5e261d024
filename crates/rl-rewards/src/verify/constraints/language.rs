//! The language of a text, by the crate `whatlang`.

use whatlang::Lang;

/// How much of a text is looked at, in bytes.
const LOOKED_AT: usize = 8192;

/// A language by its code of ISO 639-1, as in IFEval; `None` where it can't be told from others.
pub(super) fn language(code: &str) -> Option<Lang> {
    Some(match code {
        "af" => Lang::Afr,
        "ar" => Lang::Ara,
        "bg" => Lang::Bul,
        "bn" => Lang::Ben,
        "ca" => Lang::Cat,
        "cs" => Lang::Ces,
        "da" => Lang::Dan,
        "de" => Lang::Deu,
        "el" => Lang::Ell,
        "en" => Lang::Eng,
        "es" => Lang::Spa,
        "et" => Lang::Est,
        "fa" => Lang::Pes,
        "fi" => Lang::Fin,
        "fr" => Lang::Fra,
        "gu" => Lang::Guj,
        "he" => Lang::Heb,
        "hi" => Lang::Hin,
        "hr" => Lang::Hrv,
        "hu" => Lang::Hun,
        "id" => Lang::Ind,
        "it" => Lang::Ita,
        "ja" => Lang::Jpn,
        "kn" => Lang::Kan,
        "ko" => Lang::Kor,
        "lt" => Lang::Lit,
        "lv" => Lang::Lav,
        "ml" => Lang::Mal,
        "mr" => Lang::Mar,
        "ne" => Lang::Nep,
        "nl" => Lang::Nld,
        "no" => Lang::Nob,
        "pa" => Lang::Pan,
        "pl" => Lang::Pol,
        "pt" => Lang::Por,
        "ro" => Lang::Ron,
        "ru" => Lang::Rus,
        "sk" => Lang::Slk,
        "sl" => Lang::Slv,
        "sv" => Lang::Swe,
        "ta" => Lang::Tam,
        "te" => Lang::Tel,
        "th" => Lang::Tha,
        "tl" => Lang::Tgl,
        "tr" => Lang::Tur,
        "uk" => Lang::Ukr,
        "ur" => Lang::Urd,
        "vi" => Lang::Vie,
        "zh" | "zh-cn" | "zh-tw" => Lang::Cmn,
        _ => return None,
    })
}

/// Whether the first 8,192 bytes of a text are most likely of a language.
pub(super) fn is_language(text: &str, code: &str) -> bool {
    let end = text.floor_char_boundary(LOOKED_AT);
    let found = whatlang::detect_lang(&text[..end]);
    found.is_some() && found == language(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_languages() {
        let english =
            "The quick brown fox jumps over the lazy dog, and nobody in the village was surprised.";
        let german = "Der schnelle braune Fuchs springt über den faulen Hund, und niemand im Dorf war überrascht.";
        assert!(is_language(english, "en") && !is_language(english, "de"));
        assert!(is_language(german, "de") && !is_language(german, "en"));
        assert!(is_language("これは日本語の文章です。", "ja"));
        assert!(!is_language("", "en") && !is_language(english, "xx"));
        assert!(is_language(&english.repeat(10_000), "en"));
    }
}
