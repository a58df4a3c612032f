from tests.documents import Command


def test_what_a_page_shows_is_compared_whatever_its_blanks() -> None:
    assert Command("show", "a\n b").shows("a b\n")
    assert not Command("show", "a b").shows("a b c")
    assert not Command("show", "a.b").shows("a-b")


def test_three_dots_stand_for_anything_and_in_quotes_for_one_value() -> None:
    assert Command("show", "Payment: granted\n…").shows("Payment: granted\n\nEvents\n 1")
    assert Command("show", "Payment: granted\n…").shows("Payment: granted")
    assert not Command("show", "Payment: granted\n…").shows("Payment: refused\n\nEvents")
    one = Command("show", '[{"id": "…"}]')
    assert one.shows('[{"id": "x"}]')
    assert not one.shows('[{"id": "x"}, {"id": "y"}]')
