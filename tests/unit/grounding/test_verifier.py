"""What the deterministic verifier accepts without a judge: what a document says, and nothing else."""

# ruff: noqa: RUF001  # typography is a part of what is tested

from __future__ import annotations

import pytest

from guardkit.core.drafts import Flag
from guardkit.core.sources import Authority
from guardkit.grounding import Index, VerifierSettings, assess
from tests.unit.grounding.library import HOUSEHOLD, SENTENCE, document, index_of

# What a document says | what a draft makes of it.
CHANGED = [
    tuple(line.split(" | "))
    for line in """
The deposit is 500 euros. | The deposit is 600 euros.
The deposit is 500 euros. | The deposit is 5,000 euros.
The deposit is 500 euros. | The deposit is 500 dollars.
The deposit is €500. | The deposit is $500.
The deposit is EUR 500. | The deposit is USD 500.
The deposit is 500 CAD. | The deposit is 500 AUD.
The deposit is 5 million euros. | The deposit is 5 billion euros.
The deposit is €5m. | The deposit is €5.
The deposit is 1.000 euros. | The deposit is 1,000 euros.
The fee is 5 cents. | The fee is 5 dollars.
The rate is 5%. | The rate is 5.
The rate is 5 percent. | The rate is 5 percentage points.
The rate is 5‰. | The rate is 5%.
The dose is 5 mg. | The dose is 5 g.
The pressure is 5 psi. | The pressure is 5 bar.
The pressure is 5psi. | The pressure is 5bar.
The speed is 50 km/h. | The speed is 50 m/s.
The tolerance is ±5 mm. | The tolerance is 5 mm.
The balance is -500 euros. | The balance is 500 euros.
A pressure < 140 is normal. | A pressure > 140 is normal.
The tariff applies to ages 18+. | The tariff applies to ages 18.
The cost is ~500 euros. | The cost is 500 euros.
The share is 3/4 of the loss. | The share is 4/3 of the loss.
The share is 3/4 of the loss. | The share is 3 of the loss.
The waiting period is five days. | The waiting period is six days.
The waiting period is twenty-five days. | The waiting period is twenty-six days.
The waiting period is 30 days. | The waiting period is 30 weeks.
The waiting period is 30 days. | The waiting period is 30.
The fifth repair is free. | Five repairs are free.
The 5th repair is free. | 5 repairs are free.
The fee is half the price. | The fee is the price.
The first repair each year is free. | The repair each year is free.
The benefit is paid once per contract. | The benefit is paid per contract.
The policy covers one bicycle. | The policy covers bicycles.
The policy begins on 3 May 2024. | The policy begins on 3 June 2024.
The policy begins on 3 May 2024. | The policy begins on 4 May 2024.
The policy begins on 2024-05-03. | The policy begins on 2024-03-05.
Cover ran from 2019 to 2021. | Cover ran from 2021 to 2019.
Open from 9:00 to 18:00. | Open from 9:00 to 19:00.
Open until 9 pm. | Open until 9 am.
Keep it at 5 °C. | Keep it at 5 °F.
Use form A-17. | Use form A-18.
Plan A is insured. | Plan is insured.
Plan A is insured. | Plan B is insured.
The fee is 5–10 euros. | The fee is 10 euros.
The fee is 5 to 10 euros. | The fee is 5 euros.
The limits are 500 euros for theft and 900 euros for fire. | The limits are 900 euros for theft and 500 euros for fire.
Luggage is covered up to 2,000 euros. | Luggage is covered at 2,000 euros.
Luggage is covered up to 2,000 euros. | Luggage is covered with 2,000 euros.
The deposit is at least 500 euros. | The deposit is 500 euros.
The deposit is 500 euros. | The deposit is at least 500 euros.
The deposit is at least 500 euros. | The deposit is at most 500 euros.
The deposit is no more than 500 euros. | The deposit is no less than 500 euros.
The deposit is more than 500 euros. | The deposit is less than 500 euros.
The minimum deposit is 500 euros. | The maximum deposit is 500 euros.
The cost is about 500 euros. | The cost is 500 euros.
The cost is 500 euros excluding tax. | The cost is 500 euros including tax.
Report the loss within 30 days. | Report the loss after 30 days.
Report the loss within 30 days. | Report the loss in 30 days.
Call before the repair. | Call after the repair.
Children from 3 years travel for free. | Children to 3 years travel for free.
People over 65 pay less. | People under 65 pay less.
Theft is not covered. | Theft is covered.
Theft is covered. | Theft is not covered.
Theft is covered. | Theft isn't covered.
Theft is covered. | Theft is hardly covered.
Theft is uninsured. | Theft is insured.
Customers can’t cancel. | Customers can cancel.
Neither theft nor fire is covered. | Theft and fire is covered.
Nothing is covered but theft. | Theft is covered.
Fire is covered, theft is not covered. | Fire is not covered, theft is covered.
Non-members pay the fee. | Members pay the fee.
Theft is rarely covered. | Theft is covered.
Few claims are rejected. | Claims are rejected.
Some damage is covered. | Damage is covered.
Some damage is covered. | All damage is covered.
Only theft is covered. | Theft is covered.
Theft alone is covered. | Theft is covered.
The customer may report theft. | The customer must report theft.
The customer must report theft. | The customer may report theft.
The customer must report theft. | The customer reports theft.
The insurer shall pay within ten days. | The insurer can pay within ten days.
The fee would be 50 euros. | The fee is 50 euros.
The fee was 50 euros. | The fee is 50 euros.
If the door was locked, theft is covered. | Theft is covered.
When the car was parked in a locked garage, theft is covered. | Theft is covered.
Theft is covered, as long as the doors of the car were locked. | Theft is covered.
Theft is covered unless the door was locked. | Theft is covered if the door was locked.
Theft is covered, provided that the door was locked. | Theft is covered.
Theft is covered, but the customer pays half of the loss. | Theft is covered.
Theft is covered except from cars. | Theft is covered.
Theft, as defined in the annex of this contract, is covered. | Theft is covered.
Theft (of locked cars) is covered. | Theft is covered.
For drivers over the age of 25, theft is covered. | Theft is covered.
In the countries of the European Union, theft is covered. | Theft is covered.
According to the makers of the drug, the treatment is safe. | The treatment is safe.
The statement that theft is covered is false. | Theft is covered.
The alleged thief was insured. | The thief was insured.
The broker informs the customer. | The customer informs the broker.
Alpha sued Beta. | Beta sued Alpha.
Alpha was sued by Beta. | Alpha sued Beta.
The claim is paid by the broker. | The claim is paid to the broker.
Money moves from Alpha to Beta. | Money moves to Alpha from Beta.
The board voted against the merger. | The board voted for the merger.
Switch off the main valve before work. | Switch on the main valve before work.
Cars with alarms are insured. | Cars without alarms are insured.
A passport and a licence are required. | A passport or a licence are required.
You pay the first 200 euros of each claim. | We pay the first 200 euros of each claim.
Theft from your garage is covered. | Theft from our garage is covered.
The insured pays the excess. | The insurer pays the excess.
The defendant pays the costs. | The defender pays the costs.
The authority signs the form. | The author signs the form.
The dog of the customer is insured. | The dogs of the customer are insured.
The US pays the fee. | The us pays the fee.
Write to claims@alpha.example for help. | Write to claims@beta.example for help.
Alpha is larger than Beta. | Alpha is smaller than Beta.
Alpha pays more than Beta. | Beta pays more than Alpha.
Theft ✅ and fire ❌ are listed. | Theft ❌ and fire ✅ are listed.
盗难不被保险覆盖。 | 盗难被保险覆盖。
Diebstahl ist nicht versichert. | Diebstahl ist versichert.
""".strip().splitlines()
]


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("said", "made"), CHANGED, ids=[" -> ".join(pair) for pair in CHANGED])
def test_a_changed_sentence_is_not_accepted_and_the_sentence_itself_is(said: str, made: str) -> None:
    index = index_of(said)
    assert assess(said, index).band == "accept"
    assert assess(made, index).band != "accept"


# A whole document | a sentence that it holds, and does not say.
AROUND = {
    "heading": ("# Not covered\n\n- Theft from the street.\n- Fire in the house.", "Theft from the street."),
    "exclusions": ("# Exclusions\n\nTheft from the street.", "Theft from the street."),
    "only": ("# Only for members\n\nTheft from the street is covered.", "Theft from the street is covered."),
    "list": ("The following is not covered:\n- theft of bicycles\n- fire", "Theft of bicycles."),
    "list, blank lines": ("Not covered are:\n\n- theft of bicycles\n\n- fire", "Theft of bicycles."),
    "list, no colon": ("We do not pay for\n- theft of bicycles\n- fire", "Theft of bicycles."),
    "list, condition": ("If the door was locked we pay for\n- theft of bicycles", "Theft of bicycles."),
    "long list": (
        "We do not pay for:\n" + "\n".join(f"- damage of the kind {n} to a house" for n in range(80)),
        "Damage of the kind 79 to a house.",
    ),
    "however": ("Theft is covered. However, theft from cars is excluded.", "Theft is covered."),
    "not": ("Theft is covered. Not covered is theft from cars.", "Theft is covered."),
    "this applies": ("Theft is covered. This applies to members.", "Theft is covered."),
    "it does not": ("Theft is covered. It is not covered in cars.", "Theft is covered."),
    "remark": ("Theft is covered. Members only.", "Theft is covered."),
    "question": ("Is theft covered by this policy?", "Theft is covered by this policy."),
    "pronoun": ("The app is for members. It is free of charge.", "It is free of charge."),
    "struck out": ("~~Theft is covered.~~", "Theft is covered."),
    "deleted": ("<del>Theft is covered.</del>", "Theft is covered."),
    "table": ("Plan: Basic, limit 500 euros.\nPlan: Gold, limit 900 euros.", "Plan: Gold, limit 500 euros."),
    "two lines": ("Basic\n500 euros\nGold\n900 euros", "Basic 900 euros"),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("text", "claim"), AROUND.values(), ids=AROUND)
def test_what_the_text_around_a_sentence_takes_back_is_not_accepted(text: str, claim: str) -> None:
    assert assess(claim, index_of(text)).band != "accept"


KEPT = {
    "case and stop": ("Theft is covered by the policy.", "theft is covered by the policy"),
    "number in digits": ("The waiting period is five days.", "The waiting period is 5 days."),
    "number in words": ("The waiting period is 30 days.", "The waiting period is thirty days."),
    "grouping": ("The limit is 25,000 euros.", "The limit is 25000 euros."),
    "scale": ("The limit is 5 million euros.", "The limit is 5,000,000 euros."),
    "percent": ("The rate is 5%.", "The rate is 5 %."),
    "date moved": ("On 3 May 2024 Alpha bought Beta.", "Alpha bought Beta on 3 May 2024."),
    "article": ("A customer pays the fee.", "The customer pays the fee."),
    "addition left out": ("Theft is covered; the customer has to prove it.", "Theft is covered."),
    "quotation marks": ("The “gold” plan is free.", 'The "gold" plan is free.'),
    "line break": (
        "Theft of a locked bicycle from a cellar is covered by the\npolicy.",
        "Theft of a locked bicycle from a cellar is covered by the policy.",
    ),
    "bullet": (
        "We pay for:\n\nAll this.\n\n- Theft of bicycles is covered.",
        "Theft of bicycles is covered.",
    ),
}


@pytest.mark.parametrize(("said", "made"), KEPT.values(), ids=KEPT)
def test_what_says_the_same_is_accepted(said: str, made: str) -> None:
    assert assess(made, index_of(said)).band == "accept"


FLAGGED = {
    "number": ("The fee is 70 euros.", Flag.NUMBER_ABSENT),
    "rival": ("The fee of the bank is 70 euros.", Flag.NUMBER_CONFLICT),
    "elsewhere": ("The fee of the bank is 9 euros.", Flag.NUMBER_ELSEWHERE),
    "unit": ("The fee of the bank is 50 dollars.", Flag.UNIT_MISMATCH),
    "name": ("The fee of the bank of Zurich is 50 euros.", Flag.NAME_ABSENT),
    "negation": ("The fee of the bank is not 50 euros.", Flag.NEGATION_ADDED),
    "stronger": ("The fee of the bank is always 50 euros.", Flag.STRENGTHENED),
    "form": ("The fee of the bank was 50 euros.", Flag.FORM_CHANGED),
    "added": ("The secret fee of the bank is 50 euros.", Flag.WORDS_ADDED),
    "dropped": ("The fee is 50 euros.", Flag.WORDS_DROPPED),
    "order": ("The bank of the fee is 50 euros.", Flag.ORDER_CHANGED),
}


@pytest.mark.parametrize(("claim", "flag"), FLAGGED.values(), ids=FLAGGED)
def test_what_differs_is_named(claim: str, flag: Flag) -> None:
    index = index_of("The fee of the bank is 50 euros.\n\n# Forms\n\nThe number of forms is 9.")
    assert flag in assess(claim, index).flags


@pytest.mark.promise("P7")
def test_a_number_that_stands_nowhere_is_rejected_however_well_the_rest_is_covered() -> None:
    found = assess(SENTENCE.replace("25,000", "26,000"), index_of(HOUSEHOLD))
    assert found.band == "reject"


def test_that_veto_cannot_be_tolerated() -> None:
    with pytest.raises(ValueError, match="number_absent"):
        VerifierSettings(tolerated=frozenset({Flag.NUMBER_ABSENT}))


@pytest.mark.parametrize("fields", [{"reject": 0.9}, {"decide": 0.1}, {"accept": 0.3}, {"accept": 1.1}])
def test_thresholds_that_fall_out_of_order_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"order|less than"):
        VerifierSettings.model_validate(fields)


def test_evidence_is_exactly_a_span_of_its_source() -> None:
    source = document()
    found = assess(SENTENCE, Index([source]))
    assert found.evidence[0].is_span_of(source)
    assert found.evidence[0].text == SENTENCE


def test_of_two_places_that_say_it_the_cited_one_is_taken() -> None:
    first, second = (document(SENTENCE, id=name) for name in ("a", "b"))
    cited = second.evidence(0, len(SENTENCE))
    assert assess(SENTENCE, Index([first, second]), cited=[cited]).evidence[0].source_id == "b"


@pytest.mark.parametrize("claim", ["", "   ", "???", "the of a", "\u200b"])
def test_a_claim_without_content_is_rejected(claim: str) -> None:
    assert assess(claim, index_of(HOUSEHOLD)).band == "reject"


def test_without_sources_everything_is_rejected() -> None:
    assert assess(SENTENCE, Index([])).band == "reject"


def test_two_sources_together_do_not_prove_what_neither_says() -> None:
    found = assess(
        "The deposit for Gold is 900 euros.", index_of("The deposit for Gold is due.", "It is 900 euros.")
    )
    assert found.band != "accept"


def test_authority_gives_no_weight_to_words() -> None:
    for authority in Authority:
        index = Index([document("Theft is covered.", authority=authority)])
        assert assess("Fire is covered.", index).band != "accept"
