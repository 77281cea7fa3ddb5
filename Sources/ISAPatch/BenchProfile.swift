import Foundation

/// ONNX Runtime's profile of a session: what each node took in each run.
public struct BenchProfile: Sendable {
  /// One run of the model.
  public struct Run: Sendable, Equatable {
    /// Seconds of the whole run.
    public var seconds: Double
    /// Seconds by node.
    public var nodes: [String: Double]
    /// Seconds by operator type.
    public var operators: [String: Double]
  }

  public var runs: [Run]
  /// Operator type by node.
  public var types: [String: String]

  private struct Event: Decodable {
    struct Arguments: Decodable {
      var op_name: String?
    }
    var cat: String
    var name: String
    var ts: Double
    var dur: Double
    var args: Arguments?
  }

  /// - Throws: `ToolError` 65 for a file that is no profile.
  public init(json: Data) throws(ToolError) {
    let events: [Event]
    do { events = try JSONDecoder().decode([Event].self, from: json) } catch {
      throw ToolError("ONNX Runtime's profile cannot be read; try another version of it.", .dataError)
    }
    let suffix = "_kernel_time"
    let kernels = events.filter { $0.cat == "Node" && $0.name.hasSuffix(suffix) }.sorted { $0.ts < $1.ts }
    runs = []
    types = [:]
    var next = 0
    for run in events.filter({ $0.cat == "Session" && $0.name == "model_run" }).sorted(by: { $0.ts < $1.ts }) {
      var found = Run(seconds: run.dur * 1e-6, nodes: [:], operators: [:])
      while next < kernels.count, kernels[next].ts <= run.ts + run.dur {
        let event = kernels[next]
        next += 1
        if event.ts < run.ts { continue }
        let name = String(event.name.dropLast(suffix.count))
        let type = event.args?.op_name ?? "?"
        types[name] = type
        found.nodes[name, default: 0] += event.dur * 1e-6
        found.operators[type, default: 0] += event.dur * 1e-6
      }
      runs.append(found)
    }
  }

  /// Whether a node that ran belongs to some of the original's nodes: it is one, or what ONNX Runtime's optimiser made
  /// of one, which keeps that node's name and adds to it.
  /// - Parameters:
  ///   - wanted: names of the nodes asked for.
  ///   - all: names of all nodes of the original, those included.
  public static func belongs(_ name: String, to wanted: Set<String>, of all: Set<String>) -> Bool {
    if wanted.contains(name) { return true }
    if all.contains(name) { return false }
    // The longest of the original's names that it starts with decides.
    var end = name.endIndex
    while let cut = name[..<end].lastIndex(where: { $0 == "/" || $0 == "_" }) {
      let stem = String(name[..<cut])
      if all.contains(stem) { return wanted.contains(stem) }
      end = cut
    }
    return false
  }
}
