#include "cli/step_process.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tercet {
namespace {

std::atomic<pid_t> child{0};

extern "C" void HandOn(int signal) {
  const pid_t pid = child.load();
  if (pid > 0) ::kill(pid, signal);
}

/// Words as C wants them; they live as long as `words`.
std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// This process's environment with some variables set.
std::vector<std::string> EnvironmentWith(const std::map<std::string, std::string>& set) {
  std::vector<std::string> variables;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string variable = *one;
    if (!set.contains(variable.substr(0, variable.find('=')))) variables.push_back(variable);
  }
  for (const auto& [name, value] : set) variables.push_back(name + "=" + value);
  return variables;
}

/// Starts the program with its output in a pipe; returns the end to read.
Result<int> Start(const std::vector<std::string>& words,
                  const std::map<std::string, std::string>& environment, pid_t* pid) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Status::IOError("cannot start '", words[0], "': ", std::strerror(errno));
  }
  // All is made before the fork: other threads may hold the allocator's lock in the child.
  const std::vector<std::string> variables = EnvironmentWith(environment);
  const std::vector<char*> arguments = Pointers(words), child_environment = Pointers(variables);
  *pid = ::fork();
  if (*pid < 0) return Status::IOError("cannot start '", words[0], "': ", std::strerror(errno));
  if (*pid == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execvpe(arguments[0], arguments.data(), child_environment.data());
    std::_Exit(127);
  }
  ::close(ends[1]);
  return ends[0];
}

void ReadAll(int fd, const std::function<void(std::string_view)>& heard) {
  char block[8192];
  while (true) {
    const ssize_t size = ::read(fd, block, sizeof block);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    heard({block, static_cast<size_t>(size)});
  }
  ::close(fd);
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<int> RunProcess(const std::vector<std::string>& words,
                       const std::map<std::string, std::string>& environment,
                       const std::function<void(std::string_view)>& heard) {
  pid_t pid = -1;
  ARROW_ASSIGN_OR_RAISE(const int fd, Start(words, environment, &pid));
  child.store(pid);
  struct sigaction hand_on = {}, old_interrupt, old_terminate;
  hand_on.sa_handler = &HandOn;
  ::sigaction(SIGINT, &hand_on, &old_interrupt);
  ::sigaction(SIGTERM, &hand_on, &old_terminate);
  ReadAll(fd, [&](std::string_view text) {
    // A closed stdout must not end the step; what it printed is still kept in the log.
    if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) errno = 0;
    heard(text);
  });
  const int code = WaitFor(pid);
  child.store(0);
  ::sigaction(SIGINT, &old_interrupt, nullptr);
  ::sigaction(SIGTERM, &old_terminate, nullptr);
  if (code == 127) {
    return Status::IOError("cannot run '", words[0], "': no such program, or it ended with 127");
  }
  return code;
}

}  // namespace tercet
