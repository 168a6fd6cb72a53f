"""The words and phrases by which a text speaks to the model that reads it.

Data, not logic. No word flags by itself: every phrase needs several in order, and a phrase of weight 1 needs another
family beside it. Phrases are written for what they mean, in the words people use for it, not for one list of attacks.
"""

from guardkit.checks.phrases import Phrase, Phrasebook

LISTS: dict[str, tuple[str, ...]] = {
    "OVERRIDE": tuple(
        "ignore disregard forget overlook override bypass neglect dismiss discard unfollow disobey".split()
    ),
    "PRIOR": tuple(
        "previous prior above preceding earlier former foregoing initial original existing past your "
        "predefined other old".split()
    ),
    "ALL": tuple("all any every everything each".split()),
    "ORDERS": tuple(
        "instruction instructions prompt prompts directive directives directions guideline guidelines".split()
    ),
    "RULES": tuple(
        "rule rules command commands constraint constraints restriction restrictions context "
        "programming safeguards training guardrails objective objectives goals".split()
    ),
    "DOCUMENT": tuple(
        "webpage page document resume cv table function email mail text paper article code content contents data "
        "file summary report website transaction question image review".split()
    ),
    "SAY": tuple("say print state output repeat translate respond write answer display return".split()),
    "TELL": tuple("say print state output display repeat append recite".split()),
    "TOLD": tuple("told instructed taught learned learnt ordered programmed".split()),
    "TASK": tuple("task tasks question request query job assignment".split()),
    "SOLVE": tuple("solve answer complete finish continue respond proceed fulfil fulfill".split()),
    "MODEL": tuple(
        "llm llms chatbot chatbots gpt gpt3 gpt4 gpt5 chatgpt claude gemini copilot llama mistral".split()
    ),
    "MACHINE": tuple(
        "assistant assistants agent agents model models bot bots system systems reader readers".split()
    ),
    "NOTE": tuple(
        "note message instruction instructions attention notice important reminder command".split()
    ),
    "PROCESSING": tuple(
        "analysis screening review processing grading evaluation summarization summarisation parsing ranking "
        "moderation".split()
    ),
    "TOOL": tuple("software system systems tool tools agent agents bot bots pipeline pipelines".split()),
    "MODE": tuple(
        "developer god dan jailbreak sudo admin override unrestricted root system maintenance debug".split()
    ),
    "SWITCHED": tuple("activated enabled engaged initiated unlocked entered".split()),
    "LEAK": tuple(
        "reveal print show repeat output display leak disclose expose dump recite encode translate provide "
        "give tell share".split()
    ),
    "HIDDEN": tuple("system initial hidden original starting secret internal confidential".split()),
    "SECRET": tuple(
        "password passwords credentials passphrase passcode secret secrets pin token tokens".split()
    ),
    "SEND": tuple("send forward email post upload transmit submit leak exfiltrate".split()),
    "REPLY": tuple("response reply answer output responses answers message summary".split()),
    "RESHAPE": tuple(
        "enhance augment scramble misspell rearrange jumble anagram substitute obfuscate integrate garble alter "
        "interleave".split()
    ),
    "ADD": tuple(
        "add include insert mention append incorporate introduce combine remove replace use provide render group "
        "convert begin start end embed".split()
    ),
    "PROMOTE": tuple("suggest tease recommend encourage promote mention advertise endorse".split()),
    "CODE": tuple("block snippet excerpt section fragment".split()),
    "YOURCODE": tuple(
        "code codebase solution implementation algorithm response answer project elucidation".split()
    ),
    "SHELL": tuple("sudo curl wget chmod reboot rm dd systemctl nohup mv driverquery".split()),
    # Abroad: Spanish, Portuguese, French, German, Italian, Dutch, Polish, Russian, Ukrainian, Greek, Turkish; without
    # their accents, which the reader takes off.
    "OVERRIDE_ABROAD": tuple(
        "ignora ignore ignorar ignoren ignorad ignorez ignorer ignoriere ignorieren ignoriert olvida olvide olvidar "
        "oubliez oublie oublier esqueca esquecer desconsidere descarta descarte vergiss vergessen vergesst "
        "missachte dimentica dimenticare negeer vergeet zignoruj ignoruj zapomnij игнорируи игнорируите "
        "игнорировать проигнорируи забудь забудьте ігноруи αγνοησε αγνοηστε ξεχασε ξεχαστε yoksay unut".split()
    ),
    "PRIOR_ABROAD": tuple(
        "anteriores anterior previas previos precedentes precedente anterieures anteriore vorherigen vorherige "
        "vorigen bisherigen obigen vorangegangenen fruheren precedenti vorige eerdere bovenstaande poprzednie "
        "wczesniejsze предыдущие предыдущих прежние попередни προηγουμενες προηγουμενων onceki todas tutte toutes "
        "alle все".split()
    ),
    "ORDERS_ABROAD": tuple(
        "instrucciones indicaciones ordenes instrucoes instructions consignes directives anweisungen "
        "instruktionen anordnungen vorgaben istruzioni indicazioni instructies opdrachten polecenia instrukcje "
        "инструкции указания команды інструкціі οδηγιες οδηγιων talimatlari talimatlar".split()
    ),
}


def _all(family: str, weight: int, *words: str, command: bool = False) -> list[Phrase]:
    return [Phrase(family=family, weight=weight, words=each, command=command) for each in words]


PHRASES: tuple[Phrase, ...] = (
    # It takes away what the model was told.
    *_all(
        "override",
        2,
        "OVERRIDE ..4 PRIOR ..3 ORDERS",
        "OVERRIDE ..4 previous/prior/above/preceding/earlier/foregoing/your ..2 RULES",
        "OVERRIDE ..3 ALL ..3 ORDERS",
        "ignore/disregard/forget/bypass/overlook ..2 your/the ..1 system prompt/instructions",
        "OVERRIDE ..1 ORDERS ..2 and ..2 SAY",
        "OVERRIDE ..1 the ..1 above/rest/foregoing/preceding/remainder ..5 and ..2 SAY",
        "OVERRIDE ..2 DOCUMENT and ..1 TELL",
        "OVERRIDE ..2 scoring/evaluation/assessment/checks and ..1 SAY",
        "not/don't/stop ..1 follow/following/obey/obeying ..3 PRIOR ..3 ORDERS",
        "pay no attention to ..3 PRIOR ..3 ORDERS",
        command=True,
    ),
    *_all(
        "override",
        2,
        "OVERRIDE_ABROAD ..4 ORDERS_ABROAD ..2 PRIOR_ABROAD",
        "OVERRIDE_ABROAD ..4 PRIOR_ABROAD ..2 ORDERS_ABROAD",
        "PRIOR_ABROAD ORDERS_ABROAD ..2 OVERRIDE_ABROAD",
    ),
    *_all(
        "override",
        1,
        "OVERRIDE ..3 ALL/rules/what/that ..4 TOLD",
        "OVERRIDE ..1 the ..1 above/rest/remainder",
        "OVERRIDE ..1 ORDERS",
        "OVERRIDE ..1 ALL ..2 else/info/information/indicators",
        "OVERRIDE ..2 safety/security/content ..1 filters/filter/checks/protocols/policies/measures",
        "regardless of ..2 previous/prior/earlier ..1 ORDERS/RULES",
        command=True,
    ),
    # It puts itself before the user's task.
    *_all(
        "precondition",
        1,
        "before/after you ..2 SOLVE ..6 TASK",
        "before/after ..1 solving/answering/completing ..4 TASK",
    ),
    *_all(
        "users-task",
        1,
        "TASK ..1 i/we gave/assigned/asked ..1 you",
        "original/initial ..1 task/query",
        "user's ..1 TASK",
    ),
    *_all(
        "do-first",
        1,
        "do/execute/perform/complete the following ..1 first/instead/immediately/:",
        "instead ..1 do/execute/perform/complete the following",
    ),
    *_all(
        "new-task",
        1,
        "new/updated/real/actual/true/revised ORDERS/objective/directive/goal/mission ..1 :/is/are",
        "your ..1 new/real/actual/true/only/primary ..1 ORDERS/task/objective/goal/mission ..1 :/is/are",
        "adhere to the following ..1 ORDERS",
    ),
    # It speaks to a machine.
    *_all(
        "addressed",
        2,
        "NOTE ..1 to/for ..3 MODEL ..2 :",
        "NOTE ..1 to/for ..3 ai/language MACHINE ..2 :",
        "to/for ..2 automated ..1 PROCESSING ..1 TOOL :",
        "message ..8 to you ..1 MODEL",
        "invisible/hidden to/from humans",
        "visible ..1 to llm/llms/ai",
    ),
    *_all(
        "addressed",
        1,
        "NOTE ..1 to/for ..3 MODEL/ai",
        "automated PROCESSING TOOL",
        "if ..1 you ..1 are ..2 ai/llm/chatbot",
        "as an ai",
        "message from me ..5 to you",
        "dear/attention/hello/hey ai/assistant/chatgpt/llm/gpt",
        "language model ..3 reading/processing/summarizing/summarising",
        "chain of thought",
    ),
    # It gives the model another role or mode.
    *_all(
        "role",
        2,
        "you are now ..3 dan/unrestricted/jailbroken/unfiltered/uncensored",
        "do anything now",
        "you are no longer ..2 bound/restricted",
    ),
    *_all(
        "role",
        1,
        "you are now ..2 ai/assistant/bot/chatbot/model",
        "from now on you",
        "you are now in ..1 MODE mode",
        "pretend ..1 to be/you're ..3 ai/assistant/bot/chatbot/model",
    ),
    *_all(
        "mode",
        1,
        "MODE mode ..1 SWITCHED",
        "entering/enter/initiating/activate/enable ..3 MODE mode",
        "entering ..4 override mode",
        "administrator/admin/developer/enforcement/security/safety override",
        "i'm/am ..1 your ..1 developer/creator/administrator/god/maker",
        "you must ..1 obey/comply/listen",
        "not deviate from/form",
    ),
    # It wants what the model was told, or what it knows in secret.
    *_all(
        "extract",
        2,
        "LEAK ..3 your/the/all/full/any/complete ..2 HIDDEN prompt/prompts/instructions",
        "LEAK ..3 your ..1 prompt/instructions",
        command=True,
    ),
    *_all(
        "extract",
        1,
        "LEAK ..1 HIDDEN prompt/prompts/instructions",
        "LEAK ..2 instructions you were given",
        "what ..1 your ..1 HIDDEN prompt/instructions",
    ),
    *_all("secret", 1, "LEAK ..4 your SECRET", "what ..1 your ..1 SECRET", "confirm the SECRET"),
    *_all(
        "exfiltrate",
        2,
        "SEND ..6 SECRET ..8 to/@ ..8 @",
        "SEND ..4 system prompt",
        "SEND ..4 chat/conversation history",
        "SEND ..4 api key/keys ..8 to",
        command=True,
    ),
    *_all(
        "exfiltrate",
        1,
        "SEND ..3 all ..4 emails/messages/files/contacts/data/records/invoices ..8 to ..6 @",
        command=True,
    ),
    # It steers the answer.
    *_all(
        "conceal",
        1,
        "not/never/don't/without ..2 tell/telling/inform/informing/mention/mentioning/notify/notifying/reveal/revealing/alert/alerting ..3 user",
        "not/never/don't ..1 mention ..2 this/these ..1 ORDERS",
    ),
    *_all(
        "tell-user",
        1,
        "tell/inform/instruct/direct/convince/advise the user ..1 to/that",
        "provide it to the user",
        "ask the user ..1 to ..2 visit/click/open/download/enter",
    ),
    *_all(
        "conditional",
        1,
        "if/when/whenever ..1 user/users ..1 ask/asks/requests",
        "if asked how/about/whether/what",
    ),
    *_all(
        "reply-only",
        1,
        "reply/respond/answer/output ..1 with ..1 only",
        "reply/respond/answer/output only ..1 with/the/:",
        "simply/only reply/respond/answer with",
        "absolutely nothing else",
        "do not output anything else",
    ),
    *_all("focus", 1, "focus ..1 only/exclusively/solely ..1 on"),
    *_all(
        "emit",
        1,
        "TELL ..1 the following ..3 :",
        "TELL exactly/verbatim",
        "repeat the following ..1 sentence/text/words/phrase",
        "TELL the ..2 is",
        "could you repeat",
    ),
    *_all("reshape", 2, "RESHAPE ..4 your ..1 REPLY", "modify your REPLY to"),
    *_all(
        "reshape", 1, "ADD ..12 in/to/into/from/of your ..1 REPLY", "ADD your REPLY", "in your REPLY PROMOTE"
    ),
    # It has the model write code that hurts.
    *_all(
        "plant-code",
        1,
        "following/subsequent/below code CODE ..14 your ..2 YOURCODE",
        "your ..2 YOURCODE ..14 following/subsequent/below code CODE",
    ),
    *_all(
        "harmful-code",
        1,
        "os environ ..30 post/urlopen/request",
        "rm rf",
        "dd if",
        "exec open",
        "os system ..4 SHELL",
        "subprocess ..8 SHELL",
        "open ..12 storbinary/sendall/scp",
    ),
)

PHRASEBOOK = Phrasebook(PHRASES, LISTS, slips=("OVERRIDE", "PRIOR", "ORDERS"))

REPORTING: frozenset[str] = frozenset(
    "to will would may might can could cannot can't not never don't doesn't it they he she who which that models "
    "llms attackers always".split()
)
"""Words right before a command that make it a report about one."""

POSSESSIVE: frozenset[str] = frozenset(("its", "their", "his", "her"))
"""Words right after a verb that make it a report: somebody else's instructions are ignored."""

MENTION: frozenset[str] = frozenset(
    "attack attacks attacker attackers injection injections injected jailbreak jailbreaks malicious adversarial "
    "phrase phrases example examples payload payloads detector detectors detect detects researchers technique "
    "techniques template templates tokenizer token tokens such called titled known".split()
)
"""Words near a quotation that say it is mentioned, not meant."""
