import Foundation

/// The machine that measured something.
public struct Machine: Codable, Equatable, Sendable {
  public var processor: String
  public var cores: Int

  public static var current: Machine {
    let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
    let name = line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) }
    return Machine(processor: name ?? "unknown processor", cores: ProcessInfo.processInfo.activeProcessorCount)
  }

  public var description: String { "\(processor), \(cores) cores" }
}
