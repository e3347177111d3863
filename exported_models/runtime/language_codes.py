"""Two letters for a language (ISO 639-1) and the three that NLLB's codes begin with (ISO 639-3)."""

from __future__ import annotations

from collections.abc import Mapping

_CODES = """
af afr, am amh, ar arb, as asm, az azj, be bel, bg bul, bn ben, bs bos, ca cat, cs ces, cy cym, da dan, de deu, el ell,
en eng, eo epo, es spa, et est, eu eus, fa pes, fi fin, fo fao, fr fra, ga gle, gd gla, gl glg, gu guj, ha hau, he heb,
hi hin, hr hrv, ht hat, hu hun, hy hye, id ind, ig ibo, is isl, it ita, ja jpn, jv jav, ka kat, kk kaz, km khm, kn kan,
ko kor, ky kir, lb ltz, lo lao, lt lit, lv lvs, mg plt, mi mri, mk mkd, ml mal, mn khk, mr mar, ms zsm, mt mlt, my mya,
nb nob, ne npi, nl nld, nn nno, no nob, oc oci, or ory, pa pan, pl pol, ps pbt, pt por, ro ron, ru rus, sa san, sd snd,
si sin, sk slk, sl slv, sn sna, so som, sq als, sr srp, su sun, sv swe, sw swh, ta tam, te tel, tg tgk, th tha, tk tuk,
tl tgl, tr tur, tt tat, ug uig, uk ukr, ur urd, uz uzn, vi vie, wo wol, xh xho, yi ydd, yo yor, zh zho, zu zul
"""

THREE_LETTERS: Mapping[str, str] = dict(pair.split() for pair in _CODES.replace("\n", " ").split(","))
"""ISO 639-1 -> ISO 639-3; of a language with several, the one that NLLB has."""
