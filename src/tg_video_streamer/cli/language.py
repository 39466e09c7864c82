"""The language of the command line: that of the locale, for people's output only, never for JSON."""

from __future__ import annotations

import os

from tg_video_streamer.locales.translator import Translator, environment_language

words = Translator(language=environment_language(os.environ))
