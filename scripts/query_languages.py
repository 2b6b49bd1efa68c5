"""``python scripts/query_languages.py``: write ``src/polyreel/query_languages.npz``.

What a query's language is known by: which of CLDR's names and keywords of emoji a language has, its commonest
function words, which are listed here, and how its words are spelt (a logistic regression on their parts).
Takes two minutes, needs scikit-learn and fetches 13 MB.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from polyreel.datasets.readers.emoji_packages import EMOJI_ARCHIVES
from polyreel.languages import clean
from polyreel.packages.fetch import fetch_tree
from polyreel.packages.members import cache_dir
from polyreel.query_languages import SPELLINGS, TABLE_FILE, known_words, script_of, spellings_of

OUT = Path(__file__).parents[1] / "src" / "polyreel" / TABLE_FILE

SCRIPTS = {
    "LATIN": [
        *("en", "de", "fr", "cs", "vi", "sw", "es", "it", "pt", "nl", "pl"),
        *("sk", "sv", "da", "no", "fi", "hu", "ro", "tr", "id", "hr", "ca"),
    ],
    "CYRILLIC": ["ru", "uk", "bg", "be", "sr", "mk"],
    "ARABIC": ["ar", "fa", "ur"],
    "DEVANAGARI": ["hi", "mr", "ne"],
}
# Names of things have few of the words that sentences are made of.
FUNCTION_WORDS = {
    "en": "a about after all an and are as at be before behind both by can do for from front has have "
    "he her his how i in into is it its near next not of off on one or other out over people she "
    "some someone that the their them there they this through to two under up was we were what "
    "when where which while who with you",
    "de": "aber alle als am an auf aus bei beim das dass dem den der des die durch ein eine einem einen "
    "einer eines er es für gegen hat hinter ich ihr ihre im in ins ist man mit nach neben nicht "
    "noch oder ohne sein seine sich sie sind über um und unter viele vom von vor war was wenn wer "
    "wie wird wo während zu zum zur zwei zwischen",
    "fr": "à alors au aux avec ce ces cette dans de derrière des deux devant donc du elle elles en "
    "entre est et était eux il ils je l'on la le les leur leurs lui mais ne nous on ou où par pas "
    "pendant plus pour près qu'il que qui quand sa sans se ses son sont sous sur tous tout toute "
    "très un une vers vous y",
    "cs": "a aby ale ani bez by být byl byla co dva dvě do ho i já jak jako je jeho jejich její jejím "
    "jen ještě ji již jsem jsou k kde kdo kdy když která které který ke mezi my na nad nebo není "
    "od ona oni po pod pro proti před při s se si svém svou své ta tak také tam ten to tu u už v "
    "ve vedle za z ze že",
    "vi": "ai anh bị bên bởi các cái cho chúng có của cùng cũng dưới đã đang đây để đến đi đó được giữa "
    "gì hai họ không khi là lại làm lên mà mình một này nào người ngoài nhau như những nó ở ra "
    "rất sau sẽ tại tới theo thì trên trong trước từ và về vào với vì xuống",
    "sw": "alikuwa ambao ambaye ambayo au baada bila chini cha hadi hata hii hiyo huko huyo ili ilikuwa "
    "ingawa juu kama kando karibu katika kati kila kisha kuhusu kutoka kuwa kwa kwamba kwenye la "
    "lakini mbele mmoja mwa na nani ndani ni nje nyuma pamoja pia sana sasa tu vya wa wakati wake "
    "wao watu wawili ya yake yao za",
    "es": "a al ante aquí cerca como con cuando de del delante desde detrás donde dos durante el ella "
    "ellos en encima entre era es esa ese esta está están este esto fue ha hasta hay junto la las "
    "le les lo los mientras muy más mi no nos o otra otro para pero por porque que quien se sin "
    "sobre son su sus también todo un una y ya",
    "it": "a ai al alla anche che chi come con cosa da dal dalla davanti degli dei del della di dietro "
    "dove due e è era gli ha i il in la le lo loro ma mentre nel nella non o per più quando "
    "questo si sono sotto su sul sulla suo tra un una uno",
    "pt": "a ao aos as até com como da das de dele do dos duas e é ela ele eles em enquanto era está "
    "estão esta este foi há isso mais mas na nas no nos não o os ou para pela pelo por quando que "
    "se sem seu sob sobre sua também um uma",
    "nl": "aan als bij dat de deze die dit door een en er geen had heb heeft het hij hun ik in is maar "
    "men met naar naast niet of om onder ook op over te tegen toen tot tussen uit van voor was "
    "wat wordt zij zijn zonder",
    "pl": "a ale bez być był była co czy dla do dwa dwie go i ich jak jako jego jej jest już która "
    "które który kiedy lub ma między na nad nie o obok od oraz po pod podczas przed przez przy "
    "się są to tym w we z za ze że",
    "sk": "a aby ako ale alebo bez bol bola by cez čo do dva dve ho i ich je jeho jej kde keď kto ktorá "
    "ktoré ktorý medzi na nad nie od po pod pre pred pri sa si so som sú tak to v vedľa vo z za "
    "zo že",
    "sv": "alla att av bakom de den det dig din ej ett en eller från för framför genom han har hon i "
    "inte jag kan med men mellan när och om på samt sig sin som till två under upp ut var vid vi "
    "är över",
    "da": "af at bag blev de dem den der deres det dig efter eller en er et for foran fra ham han har "
    "hun i ikke jeg kan med mellem men mod når og om over på sig sin som til to under ud ved var "
    "vi",
    "no": "av at bak ble de dem den der deres det du eller en er et etter for foran fra han har hun i "
    "ikke jeg kan med mellom men mot når og om over på seg sin som til to under ut ved var vi",
    "fi": "ei että hän he ja jo joka jotka kanssa kaksi kun kuin ne mutta myös niin oli olla on ovat "
    "sen se siitä tai tämä vain",
    "hu": "a az azt be csak de egy el és ez fel ha hogy is ki két közben le mint meg mellett még nagy "
    "nem ő pedig s sem vagy van volt",
    "ro": "a ai al ale ar au ca care ce cu de din doi două după ea ei el era este fi fără în între la "
    "lângă lui mai nu o pe pentru prin sau se sub sunt și un una unei unui",
    "tr": "ama bir bu çok da daha de değil diye en gibi her için ile iki ise kadar ki mi ne o olan "
    "olarak onun sonra şu ve veya ya yanında",
    "id": "ada adalah akan antara atau bagi bahwa dalam dan dari dengan di dia dua ini itu juga kami ke "
    "kepada lebih mereka oleh orang pada saat saya sebuah sedang seorang tidak untuk yang",
    "hr": "a ali bez bi bio bila biti da do dok dva dvije ga i ih ili između iz iza je jedan jedna kako "
    "kao koja koje koji kod na ne nije o od on ona oni po pod pokraj pored pred pri s sa se su "
    "što ta to u uz za",
    "ca": "a al als amb aquest com de del dels des dos el ella en és està estan entre era hi i la les "
    "li mentre més no o on per però perquè que quan se sense seu seva sobre són també un una va",
    "ru": "а без более был была были было быть в вас ведь во все где два две для до его ее если есть за "
    "и из или им их к как когда кто ли между мы на над не него но о об он она они от перед по под "
    "при с со так также там то у уже через что чтобы это я",
    "uk": "а або але без був була були в вже від він вона вони де для до його за з зі і із й коли на "
    "над не ні по при про та так також те у це що як який яка",
    "bg": "а ако без беше в във все да два две до за и из или как когато които който към между на над "
    "не но от по под при през с са се със си след също така те това той тя че",
    "be": "а або але быў была были ва для да за з і каля на над не па пад пры што як які",
    "sr": "а али без био била бити да до док два две и или из за је једна како као која које који код "
    "на не није од по под са се су у уз што",
    "mk": "а без беше во да два две до за и или како кога која кои кој кон меѓу на над не но од по под "
    "при се со со се што",
    "ar": "إلى أن أو التي الذي بعد بين على عن في قبل كان لا ما مع من هذا هذه هو هي و",
    "fa": "از است این آن با برای به بود تا در را روی زیر شد که ما می ها هم و یا یک",
    "ur": "اس اور ایک پر تھا جو سے کا کر کی کے میں نے نہیں وہ ہے ہیں یہ",
    "hi": "और एक का कि की के को जो तक था थे नहीं ने पर यह में वह से है हैं",
    "mr": "आणि आहे आहेत एक का की च्या ते तो ती नाही मध्ये या व वर होता होती हे",
    "ne": "एक एउटा को छ छन् तर तथा देखि द्वारा मा माथि यो र ले लाई हो",
}


def main() -> None:
    """Collect words, learn spellings, write both."""
    archive = EMOJI_ARCHIVES["cldr-annotations-full"]
    folder = fetch_tree(archive, cache_dir() / "corpora" / f"cldr-{archive.sha256[:12]}", _kept)
    languages = [tag for tags in SCRIPTS.values() for tag in tags]
    texts = {tag: texts_of(folder, tag) for tag in languages}
    weights, bias = spelling_weights(texts)
    unit = np.float32(np.abs(weights).max() / 127)
    checksums, known = word_table(texts)
    np.savez_compressed(
        OUT,
        languages=np.array(languages),
        scripts=np.array([script for script, tags in SCRIPTS.items() for _ in tags]),
        words=checksums,
        known=known,
        spellings=np.round(weights / unit).astype(np.int8),
        bias=bias,
        unit=unit,
    )
    print(f"{len(checksums):,} words, {OUT.stat().st_size:,} bytes")


def _kept(member: str) -> str | None:
    found = re.fullmatch(r".*/annotations/([a-z]{2})/annotations\.json", member)
    return f"{found[1]}.json" if found else None


def texts_of(folder: Path, tag: str) -> list[str]:
    """Names and keywords in one language, each once, and the words of those of several words."""
    script = next(script for script, tags in SCRIPTS.items() if tag in tags)
    found: set[str] = set()
    document = json.loads((folder / f"{tag}.json").read_text(encoding="utf-8"))
    for entry in document["annotations"]["annotations"].values():
        for text in (*entry.get("tts", ()), *entry.get("default", ())):
            cleaned = clean(text)
            if script_of(cleaned) == script:
                found.update((cleaned, *(word for word in cleaned.split() if len(word) > 2)))
    return sorted(found)


def word_table(texts: Mapping[str, Iterable[str]]) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Checksums of all words, ascending, and which languages have each."""
    known: dict[int, int] = defaultdict(int)
    for bit, (tag, own) in enumerate(texts.items()):
        for text in (*own, FUNCTION_WORDS[tag]):
            for word in known_words(text):
                known[zlib.crc32(word.encode())] |= 1 << bit
    ordered = sorted(known)
    return np.array(ordered, np.uint32), np.array([known[each] for each in ordered], np.uint64)


def spelling_weights(
    texts: Mapping[str, Iterable[str]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (SPELLINGS, languages) and bias (languages,), learnt among the languages of each script."""
    languages = list(texts)
    weights = np.zeros((SPELLINGS, len(languages)), np.float32)
    bias = np.zeros(len(languages), np.float32)
    for tags in SCRIPTS.values():
        columns = [languages.index(tag) for tag in tags]
        labels = np.concatenate([np.full(len(list(texts[tag])), at) for at, tag in enumerate(tags)])
        share = (len(labels) / len(tags) / np.bincount(labels))[labels]  # each language counts the same
        learnt = LogisticRegression(C=30, max_iter=60, tol=1e-3).fit(
            features([text for tag in tags for text in texts[tag]]), labels, sample_weight=share
        )
        weights[:, columns], bias[columns] = learnt.coef_.T, learnt.intercept_
    return weights, bias


def features(texts: Iterable[str]) -> csr_matrix:
    """Counts of spellings in each text over the root of how many there are, (texts, SPELLINGS)."""
    starts, columns, values = [0], [], []
    for text in texts:
        counts = Counter(spellings_of(text))
        root = max(counts.total(), 1) ** 0.5
        columns += list(counts)
        values += [count / root for count in counts.values()]
        starts.append(len(columns))
    return csr_matrix((np.array(values, np.float32), columns, starts), shape=(len(starts) - 1, SPELLINGS))


if __name__ == "__main__":
    main()
