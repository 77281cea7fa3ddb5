import CalibrationCore
import Foundation
import OnnxRuntime
import SparseAttentionCPU
import VideoPipeline

/// `doctor`: what was found, where, and what to do about what is missing.
public struct DoctorJob: Sendable {
  public init() {}

  public struct Finding: Sendable {
    public var name: String
    public var found: Bool
    /// What was found, or what to do.
    public var detail: String
    /// Whether nothing runs without it.
    public var isNeeded: Bool
  }

  public func run() -> [Finding] {
    [runtime(), operators(), ffmpeg(), adapters()] + kernels() + [speed(), graphics()]
  }

  private func finding(_ name: String, needed: Bool = true, _ body: () throws -> String) -> Finding {
    do {
      return Finding(name: name, found: true, detail: try body(), isNeeded: needed)
    } catch {
      return Finding(
        name: name, found: false, detail: ToolError(error, model: name).message, isNeeded: needed)
    }
  }

  private func runtime() -> Finding {
    finding("ONNX Runtime") {
      let library = try Library.load()
      return "\(library.version), \(library.path)"
    }
  }

  private func operators() -> Finding {
    finding("operator library") { try OpLibrary.find() }
  }

  private func ffmpeg() -> Finding {
    finding("ffmpeg") {
      let ffmpeg = try FFmpeg.find()
      // "ffmpeg version 5.1 Copyright …"
      let words = try ffmpeg.version().split(separator: " ")
      return "\(words.dropFirst(2).first ?? "of unknown version"), \(ffmpeg.ffmpeg)"
    }
  }

  private func adapters() -> Finding {
    finding("adapters", needed: false) {
      let library = try AdapterLibrary.find()
      guard let folder = library.folder else {
        throw ToolError("No Adapters folder was found; set ISA_ADAPTERS to one.", .unavailable)
      }
      return "\(library.adapters.map(\.name).joined(separator: ", ")), \(folder)"
    }
  }

  /// Each row of the kernel table; the first that is found runs.
  private func kernels() -> [Finding] {
    KernelTable.rows.map { row in
      Finding(
        name: "kernel \(row.name)", found: row.isAvailable,
        detail: row.declined ?? (row == KernelTable.best ? "in use: \(row.needs)" : row.needs), isNeeded: false)
    }
  }

  /// From how many tokens exact attention is no slower than what it replaces.
  private func speed() -> Finding {
    finding("speed", needed: false) {
      guard let model = try CostModelFile.model(.remembered) else {
        throw ToolError("Not measured yet; 'patch' does it once.", .unavailable)
      }
      let parts = CostModel.Original.allCases.compactMap { original -> String? in
        let lengths = Set(model.rows.filter { $0.original == original }.map(\.tokens)).sorted()
        guard let longest = lengths.last else { return nil }
        let gains = lengths.first { length in
          lengths.filter { $0 >= length }.allSatisfy {
            model.share(of: original, headSize: 128, tokens: Double($0), density: 1) ?? 0 <= CostModel.tolerance
          }
        }
        let place = gains.map { "from \($0) tokens" } ?? "at no length up to \(longest)"
        return "\(original.rawValue) \(place)"
      }
      return "exact attention gains over " + parts.joined(separator: ", ")
    }
  }

  private func graphics() -> Finding {
    Finding(
      name: "GPU", found: false, detail: "This version runs on the processor only.", isNeeded: false)
  }
}
