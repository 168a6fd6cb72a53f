"""Word lists of the deterministic verifier. English only; other languages simply find nothing here."""

from guardkit.grounding.tokens import stem

COMMON = frozenset(
    stem(word)
    for word in """able accept accord account achieve across act active actual add addition additional address affect
    age ago agree aim allow almost alone along already alongside always among amount announce another appear apply
    appoint approach approximately area around arrive ask associate attempt attend attribute available away back base
    become begin behind believe beyond big body book bring broad build business call care carry case cause center
    centre central certain chance change character charge choose city claim class clear collect combine come commit
    common community company complete concern condition consider consist contain contribute control continue copy
    cost country course cover create critical current currently date day deal decide decision deem degree deliver
    department depend describe design despite detail determine develop development differ different difficult direct
    directly discuss display distinct due early easy effect effort eight employ enable end enjoy enough ensure enter
    entire especially establish estimate even event eventual eventually everyone evidence exact example exclusive
    exist expand expect experience explain express extend extra face fact famous far feature feel field figure fill
    final finally find finish fit five focus follow force form formal former forward found four free frequent friend
    full fully function further furthermore future gain general generally get give go goal good great group grow
    half hand happen hard head hear help hence highlight highly history hold home hope house human idea identify
    immediate impact important include indeed indicate individual influence inform information initial initially
    inside instance instead intend interest introduce introduction involve issue item join keep key kind know known
    lack land large largely last late later latter launch lead learn let level life light like line list little live
    local locate long look lot love main mainly major make man manage many mark market match material matter maybe
    mean meet member mention method mind minute miss moment month moreover mostly move name national natural near
    nearly necessary need new next nine normal notable note notice number numerous object observe obtain occur offer
    office official often old open operate opportunity order organise organize original originally outside overall
    own page part partial participate particular particularly party pass past pay people percent perform perhaps
    period permit person picture piece place plan play point popular position possible potential power practice
    praise prepare present previous previously primary prior private probably problem process produce product
    program programme project promote prompt proper propose provide public publish purpose put quality question
    quick quite raise range rate rather reach read ready real realise realize reason receive recent recently
    recognise recognize record refer reflect regard region regular regularly relate related relationship release
    remain remark replace report represent require research resource respond response rest result return reveal
    review right role room round rule run say scale scene schedule second see seek seem select send sense separate
    series serious serve service set seven several share show side sign significant similar simple simply since
    single site situation six size slightly social society someone something sometimes soon sort speak special
    specific spend spread staff stage stand standard start state statement stay step still story strong structure
    study style subject subsequent subsequently successful suggest suit support sure surround system take talk team
    tell ten tend term test thank thing think thought three throughout thus time title today together too top total
    toward town track travel treat true try turn two type typical understand unique unit until use usual usually
    value various version very view visit wait walk want water way week well whole wide widely will wish within word
    work world worth write year yet young""".split()
)
"""Stems so general that a faithful paraphrase often exchanges them. Their absence weighs little."""

NEGATIONS = frozenset(
    """no not never none nobody nothing neither nor nowhere without cannot lacks lack lacking fails fail failed
    excluding excludes exclude excluded unable hardly scarcely barely isn't aren't wasn't weren't don't doesn't
    didn't won't wouldn't can't couldn't shouldn't hasn't haven't hadn't mustn't""".split()
)

LIMITS = frozenset(
    """may might could can should possibly perhaps probably likely unlikely some sometimes often usually generally
    typically mostly partly partially nearly almost about around approximately roughly before after least most more
    less fewer than under over above below up maximum minimum seems seem appears appear suggests suggest suspected
    alleged estimated expected planned proposed would""".split()
)
"""Words that hedge or limit the clause that they stand in."""

CONDITIONS = frozenset("unless except if provided where until only subject excluding".split())
"""Words that limit the whole sentence, wherever they stand in it."""

EXCLUDING = frozenset(
    "exclusion exclusions excluded excluding exception exceptions uninsured uncovered".split()
)
"""Words of a heading that deny what stands below it, beside the negations."""

CONTRASTS = frozenset(
    "however but except unless excluding exclusion exclusions exception exceptions only nevertheless provided not none "
    "neither".split()
)
"""First words of a sentence that takes back a part of the one before."""

REFERENCES = frozenset("it they he she this these that those such both".split())
"""First words of a sentence that speaks of what the one before named."""

STRENGTHENERS = frozenset(
    """all always any anyone anything both each every everyone everything exactly fully entirely completely must only
    will shall more most less least than never before after until since over under above below without first last
    highest lowest largest smallest best worst sole""".split()
)
"""Words that say more than a bare statement. Each must stand in the evidence too."""

ATTITUDES = frozenset(
    """think believe feel guess suppose hope recommend suggest opinion personally arguably unfortunately fortunately
    hopefully""".split()
)
"""Words of the writer's own attitude."""
