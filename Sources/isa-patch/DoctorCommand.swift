import ArgumentParser
import ISAPatch

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "What was found, where, and what to do about what is missing.")

  @OptionGroup var output: OutputOptions

  func run() throws {}
}
