"""What code-switching knows of English: words that are never switched, and what inflected forms come from.

Lemmas are found as WordNet's Morphy does it: endings are detached by rule, and a result counts only if the
lexicons hold it. On captions that finds as much as lemminflect (no release since 2022) and simplemma (19 MB);
``benchmarks/codeswitch.py`` compares them.
"""

from __future__ import annotations

import functools
import re

__all__ = ["ENGLISH_STOP_WORDS", "english_lemmas"]

_FUNCTION_WORDS = """
    a an the this that these those some any each every either neither no all both few many much more most
    other another such what which who whom whose i me my mine myself you your yours yourself he him his
    himself she her hers herself it its itself we us our ours ourselves they them their theirs themselves
    one someone something anyone anything everyone everything nobody nothing there here about above across
    after against along among around as at before behind below beneath beside between beyond by despite
    down during except for from in inside into like near of off on onto out outside over past since
    through throughout to toward towards under until up upon via with within without and but or nor so yet
    if because although though while when where whereas whether unless than that how why am is are was
    were be been being do does did doing done have has had having can could may might must shall should
    will would ought cannot not i'm you're he's she's it's we're they're i've you've we've they've i'd
    you'd he'd she'd we'd they'd i'll you'll he'll she'll it'll we'll they'll isn't aren't wasn't weren't
    don't doesn't didn't haven't hasn't hadn't can't couldn't won't wouldn't shouldn't mustn't that's
    there's here's what's who's let's also too very just only then now again ever never even still rather
    quite
"""
ENGLISH_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Closed-class words of English, lower case."""

_IRREGULAR_FORMS = """
    ate:eat eaten:eat adding:add added:add beaten:beat became:become began:begin begun:begin bent:bend
    bit:bite bitten:bite blew:blow blown:blow bought:buy broke:break broken:break brought:bring
    built:build burnt:burn came:come caught:catch chose:choose chosen:choose dealt:deal drank:drink
    drawn:draw drew:draw driven:drive drove:drive drunk:drink dug:dig fallen:fall fed:feed fell:fall
    felt:feel flew:fly flown:fly forgot:forget fought:fight froze:freeze frozen:freeze gave:give
    given:give goes:go gone:go got:get gotten:get grew:grow grown:grow held:hold hid:hide hidden:hide
    hung:hang kept:keep knew:know known:know laid:lay led:lead left:leave lit:light lost:lose made:make
    meant:mean met:meet paid:pay ran:run rang:ring ridden:ride rode:ride rose:rise said:say sang:sing
    sat:sit saw:see seen:see sent:send shaken:shake shone:shine shook:shake shot:shoot shown:show
    slept:sleep slid:slide sold:sell spent:spend spoke:speak spoken:speak spun:spin stole:steal
    stolen:steal stood:stand stuck:stick sung:sing swam:swim swept:sweep swum:swim swung:swing taken:take
    taught:teach thought:think threw:throw thrown:throw told:tell took:take tore:tear torn:tear
    understood:understand wept:weep went:go woke:wake won:win wore:wear worn:wear wrote:write
    written:write children:child feet:foot geese:goose knives:knife leaves:leaf lives:life loaves:loaf
    mice:mouse oxen:ox scarves:scarf shelves:shelf teeth:tooth thieves:thief wives:wife wolves:wolf
"""
_IRREGULAR = dict(pair.split(":") for pair in _IRREGULAR_FORMS.split())

# A short stem that ends consonant, vowel, consonant doubles it before -ing and -ed ("hopping"); where it did
# not, an e has gone ("hoping").
_SILENT_E = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")
_KEPT_DOUBLE = ("ff", "ll", "ss", "zz")


@functools.lru_cache(maxsize=100_000)
def english_lemmas(word: str) -> tuple[str, ...]:
    """What a lower-case word may be a form of, likeliest first; empty if it looks like no form."""
    if word in _IRREGULAR:
        return (_IRREGULAR[word],)
    if word.endswith(("'s", "’s")):
        return word[:-2], *english_lemmas(word[:-2])
    if word.endswith("men"):
        return (f"{word[:-3]}man",)
    if word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        return _without_s(word)
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1 and re.search("[aeiouy]", stem):
            return _verbs(stem)
    return ()


def _without_s(word: str) -> tuple[str, ...]:
    if word.endswith("ies"):
        return word[:-1], f"{word[:-3]}y"
    return (word[:-1], word[:-2]) if word.endswith("es") else (word[:-1],)


def _verbs(stem: str) -> tuple[str, ...]:
    if stem[-1] == stem[-2] and stem[-1] not in "aeiou":
        return (stem,) if stem.endswith(_KEPT_DOUBLE) else (stem[:-1], stem)
    if stem.endswith("y") and len(stem) == 2:
        return (f"{stem[0]}ie",)
    if stem.endswith("i"):
        return stem, f"{stem[:-1]}y", f"{stem}e"
    if _SILENT_E.fullmatch(stem):
        return (f"{stem}e",)
    return stem, f"{stem}e"
