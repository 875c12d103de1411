// The page that the router serves: log in, call a procedure, see the answers. ionman.js does the work.

const KEEP = 50; // answers shown
const find = (id) => document.getElementById(id);
const states = { open: "connected", lost: "connection lost, coming back", closed: "not connected" };
let client = null;

function show(state, text = states[state]) {
  find("state").textContent = text;
  find("state").dataset.state = state;
}

function entered(inside) {
  find("login").hidden = inside;
  find("call").hidden = !inside;
  find("answers").hidden = !inside || find("list").children.length === 0;
  (inside ? find("call").topic : find("login").user).focus();
}

async function login(event) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  const [user, password, realm] = [form.user.value, form.password.value, form.realm.value];
  find("login-problem").textContent = "";
  button.disabled = true;
  try {
    client = await ionman.connect({ user, password, realm, onstate: show });
    show("open", `connected as ${user}`);
    form.password.value = "";
    entered(true);
  } catch (problem) {
    find("login-problem").textContent =
      problem.kind === "refused" ? `The router does not let you in: ${problem.message}` : problem.message;
  } finally {
    button.disabled = false;
  }
}

function logout() {
  client?.close();
  client = null;
  show("closed");
  find("list").replaceChildren();
  entered(false);
}

function call(event) {
  event.preventDefault();
  const form = event.target;
  const began = performance.now();
  let params;
  find("call-problem").textContent = "";
  try {
    params = JSON.parse(form.params.value.trim() || "{}");
  } catch (problem) {
    find("call-problem").textContent = `The parameters are not JSON: ${problem.message}`;
    return;
  }
  client.call(
    form.topic.value,
    params,
    (data) => add(form.topic.value, data, performance.now() - began),
    (problem) => add(form.topic.value, { status: problem.kind, message: problem.message }, performance.now() - began),
  );
}

function add(topic, data, milliseconds) {
  const status = data?.status ?? "OK";
  const item = document.createElement("li");
  const line = document.createElement("p");
  const body = document.createElement("pre");
  line.append(part("strong", topic), part("span", status, status === "OK" ? "ok" : "bad"));
  line.append(part("time", `${milliseconds.toFixed(0)} ms`));
  body.textContent = JSON.stringify(data, null, 2);
  item.append(line, body);
  find("list").prepend(item);
  while (find("list").children.length > KEEP) {
    find("list").lastChild.remove();
  }
  find("answers").hidden = false;
}

function part(tag, text, kind = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = kind;
  return element;
}

find("login").addEventListener("submit", login);
find("call").addEventListener("submit", call);
find("logout").addEventListener("click", logout);
show("closed");
