"""Two languages: texts through the configured model, held against what they translate.

What leaves is masked, recorded and budgeted by the guard; what comes back is judged without a
model (`fidelity.py`) before an operator is offered it. Without a model every function says so.
"""

from agent.translating.fidelity import Difference, Kind, differences
from agent.translating.glossary import Glossary, language_of
from agent.translating.outcomes import Outcome, Reason, Translated, Untranslated
from agent.translating.tables import translations
from agent.translating.translator import Translator

__all__ = [
    "Difference",
    "Glossary",
    "Kind",
    "Outcome",
    "Reason",
    "Translated",
    "Translator",
    "Untranslated",
    "differences",
    "language_of",
    "translations",
]
