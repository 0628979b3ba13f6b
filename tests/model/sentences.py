"""Whether the sentences that code says can be found: `model.language` looks for literals."""

import ast
from collections.abc import Iterator


def not_found(source: str) -> list[str]:
    """Calls of `_` and `N_` with what nobody could find, or where `_` is a value beside."""
    tree = ast.parse(source)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda)]
    return [said for scope in (tree, *functions) for said in _wrong_in(list(_nodes_of(scope)))]


def _nodes_of(scope: ast.AST) -> Iterator[ast.AST]:
    """What is in a module or function, but for the functions inside it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield from _nodes_of(child)


def _wrong_in(nodes: list[ast.AST]) -> Iterator[str]:
    made = {name for node in nodes for name in _made(node)}
    hidden = any(_is_hidden(node) for node in nodes)
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id="N_"), args=[ast.Constant(value=str())]):
                continue
            case ast.Call(func=ast.Name(id="_"), args=[said]) if (
                _is_marked(said, made) and not hidden
            ):
                continue
            case ast.Call(func=ast.Name(id="_" | "N_")):
                yield ast.unparse(node)


def _is_marked(sentence: ast.expr, made: set[str]) -> bool:
    """A literal, or what may give one: a key, a field, a function, a name that is not `made`."""
    match sentence:
        case ast.Constant(value=value):
            return isinstance(value, str)
        case ast.Name(id=name):
            return name not in made
        case ast.IfExp(body=one, orelse=other):  # a literal in there would not be found
            parts = (one, other)
            return all(_is_marked(p, made) and not isinstance(p, ast.Constant) for p in parts)
    return not _is_made(sentence)


def _is_made(value: ast.expr) -> bool:
    """An f-string, a concatenation, or what is put together by `"".format()` or `"".join()`."""
    match value:
        case ast.JoinedStr() | ast.BinOp() | ast.Call(func=ast.Attribute(attr="format" | "join")):
            return True
    return False


def _made(node: ast.AST) -> Iterator[str]:
    """The name that gets such a value."""
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value)
            | ast.AnnAssign(target=ast.Name(id=name), value=value)
            | ast.AugAssign(target=ast.Name(id=name), value=value)
        ) if value and _is_made(value):
            yield name


def _is_hidden(node: ast.AST) -> bool:
    """Whether `_` gets another value here, as in `for _ in range(3)`."""
    match node:
        case ast.Name(id="_", ctx=ast.Store()) | ast.arg(arg="_"):
            return True
    return False
