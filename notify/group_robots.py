"""Group robots of WeCom, DingTalk and Feishu.

The robots refuse a message with HTTP 200 and an error code (45009 of WeCom: more than 20 messages a minute).
apprise supports all three, but version 2.3 takes such a reply of WeCom and DingTalk for an acceptance.

Formats, limits and codes follow the documentation of the makers:
developer.work.weixin.qq.com/document/path/91770 and, for the codes, .../90313;
open.dingtalk.com/document/orgapp/custom-robots-send-group-messages;
open.feishu.cn/document/client-docs/bot-v3/add-custom-bot.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime

from notify.errors import RefusedError, TemporarilyRefusedError
from notify.http_post import post_json

# Messages a minute: 20 for WeCom and DingTalk (which has two codes for it), 100 for Feishu.
_RATE_LIMIT_CODES = frozenset({45009, 130101, 410100, 11232})
# Errors that only a person can mend: a retry would only delay the fallback.
# WeCom: no such robot, or an unreadable message.
# DingTalk: keyword, signature or sender's address wrong; no such token or robot; stopped; group gone; unsafe text.
# Feishu: no such robot; signature, sender's address or keyword wrong.
_PERMANENT_CODES = frozenset(
    {93000}
    | {310000, 300001, 300005, 400101, 400106, 400102, 400013, 430101, 430102, 430104}
    | {19001, 19021, 19022, 19024}
)
_MINUTE_S = 60.0
_WECOM_BYTES = 4096
_OTHER_BYTES = 18_000


def send_wecom(url: str, body: str) -> None:
    """Send markdown to a WeCom group."""
    content = {"msgtype": "markdown", "markdown": {"content": cut(body, _WECOM_BYTES)}}
    _check_reply(post_json(url, content), "errcode", "errmsg")


def send_dingtalk(url: str, secret: str, title: str, body: str, now: datetime) -> None:
    """Send markdown to a DingTalk group, signed where the robot has a secret."""
    stamp = str(round(now.timestamp() * 1000))
    signature = {"timestamp": stamp, "sign": _sign(secret.encode(), f"{stamp}\n{secret}".encode())} if secret else None
    content = {"msgtype": "markdown", "markdown": {"title": title, "text": cut(body, _OTHER_BYTES)}}
    _check_reply(post_json(url, content, signature), "errcode", "errmsg")


def send_feishu(url: str, secret: str, header: Mapping[str, object], body: str, now: datetime) -> None:
    """Send a card to a Feishu group, signed where the robot has a secret."""
    stamp = str(round(now.timestamp()))
    signature = {"timestamp": stamp, "sign": _sign(f"{stamp}\n{secret}".encode(), b"")} if secret else {}
    card = {
        "header": header,
        "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": cut(body, _OTHER_BYTES)}}],
    }
    _check_reply(post_json(url, {**signature, "msg_type": "interactive", "card": card}), "code", "msg")


def cut(text: str, size: int) -> str:
    """Cut a text to `size` bytes of UTF-8 at a character boundary; an ellipsis marks the cut."""
    if len(text.encode()) <= size:
        return text
    return text.encode()[: size - 3].decode(errors="ignore") + "…"


def _sign(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def _check_reply(answer: bytes, code_key: str, message_key: str) -> None:
    """Check the code inside a reply with an HTTP status of success.

    Raises:
        RefusedError: The code is permanent.
        TemporarilyRefusedError: The code allows a retry, or the reply is not that of a robot.
    """
    try:
        reply = json.loads(answer)
    except ValueError:
        reply = None
    if not isinstance(reply, Mapping) or not isinstance(reply.get(code_key), int):
        raise TemporarilyRefusedError("the answer is not that of a robot")
    code = reply[code_key]
    if code:
        reason = f"{code}: {cut(str(reply.get(message_key, '')), 200)}"
        if code in _PERMANENT_CODES:
            raise RefusedError(reason)
        raise TemporarilyRefusedError(reason, _MINUTE_S if code in _RATE_LIMIT_CODES else None)
