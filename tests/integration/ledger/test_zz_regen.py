import pytest
from tests.integration.ledger.test_tour import *
from tests.integration.ledger import test_tour as tt

def test_regen(runner):
    text = TOUR.read_text(encoding="utf-8")
    out=[]; import re as _re
    last={}
    def block(m):
        res=["```console"]
        lines=m[1].splitlines()
        cmds=[]; 
        for line in lines:
            if line.startswith("$ "): cmds.append([line[2:],[]])
            else: cmds[-1][1].append(line)
        for c,shown in cmds:
            if "PROPOSAL" in c: c=c.replace("PROPOSAL", last["id"])
            res.append("$ "+c)
            if c.startswith("cat "): 
                res+=runner.shows(c,shown)
            elif c.startswith(". "): runner.by=c[2:].removesuffix(".env")
            else:
                got=runner.run(c)
                res+=got
                f=_re.search(r"saldo ledger approve ([0-9a-f-]{36})","\n".join(got))
                if f: last["id"]=f[1]
        return "\n".join(res)+"\n```"
    new=_re.sub(r"```console\n(.*?)```", block, text, flags=_re.S)
    TOUR.write_text(new,encoding="utf-8")
