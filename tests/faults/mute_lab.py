"""`python -m emulator.lab` whose providers answer 503 whenever they are asked what became of a message.

So a run can be made as if nothing could be asked, by functions that are the same to the byte.
"""

import asyncio
from dataclasses import replace

from emulator.lab import server
from emulator.lab.__main__ import main, parse_arguments
from emulator.lab.core import Lab
from emulator.lab.messages import Answer
from emulator.lab.questions import QUESTIONS, Answered, Question


def mute(question: Answered) -> Answered:
    def unavailable(_: Question, __: Lab) -> Answer:
        return question.unavailable

    return replace(question, answer=unavailable)


if __name__ == "__main__":
    server.QUESTIONS = tuple(map(mute, QUESTIONS))  # type: ignore[attr-defined] # it is there by its import
    asyncio.run(main(parse_arguments()))
