import Foundation
import ONNXGraph
import VideoPipeline

/// What a command reads and what it writes, known before it works.
///
/// An output that is one of the inputs, or another output, is refused: by path, through links, and where two names are
/// one file. The data files that a model refers to are inputs too.
public struct CommandFiles: Sendable {
  /// A file, and what it is to the command in words: `the clip`.
  public struct Item: Sendable {
    public var path: String
    public var role: String

    public init(_ path: String, _ role: String) {
      self.path = path
      self.role = role
    }
  }

  private var inputs: [Item] = []
  private var models: [Item] = []
  private var outputs: [(item: Item, option: String)] = []

  public init() {}

  public mutating func read(_ path: String?, _ role: String) {
    if let path { inputs.append(Item(path, role)) }
  }

  public mutating func read(_ paths: [String], _ role: String) {
    for path in paths { read(path, role) }
  }

  /// A model, with the files that hold its weights.
  public mutating func readModel(_ path: String?, _ role: String) {
    guard let path else { return }
    read(path, role)
    models.append(Item(path, role))
  }

  /// - Parameter option: what chooses it.
  public mutating func write(_ path: String?, _ role: String, option: String = "-o") {
    if let path { outputs.append((Item(path, role), option)) }
  }

  /// - Throws: `ToolError` 64 for the first output that is an input or another output.
  public func check() throws(ToolError) {
    let places = outputs.map { FilePlace($0.item.path) }
    for (index, output) in outputs.enumerated() {
      if let other = outputs[..<index].indices.first(where: { places[$0] == places[index] }) {
        throw ToolError(
          "\(output.item.path) would be written twice, as \(outputs[other].item.role) and as \(output.item.role); "
            + "choose another output with \(output.option).", .usage)
      }
      try check(output, places[index], against: inputs)
    }
    // Only a file that is there can hold a model's data.
    guard places.contains(where: \.exists) else { return }
    for model in models {
      guard let loaded = try? Model.load(path: model.path) else { continue }
      let data = ExternalData.paths(loaded, beside: model.path).map {
        Item($0, "a file with the weights of \(model.path)")
      }
      for (output, place) in zip(outputs, places) { try check(output, place, against: data) }
    }
  }

  private func check(
    _ output: (item: Item, option: String), _ place: FilePlace, against inputs: [Item]
  ) throws(ToolError) {
    guard let input = inputs.first(where: { FilePlace($0.path) == place }) else { return }
    let path = output.item.path
    let place = path == input.path ? "\(path) is" : "\(path) is the same file as \(input.path),"
    throw ToolError(
      "\(place) \(input.role), which \(output.item.role) would replace; choose another output with \(output.option).",
      .usage)
  }
}

/// Where a path leads: the same for two names of one file, and for two ways to a file that is not there yet.
struct FilePlace: Hashable {
  private var device: UInt64
  private var inode: UInt64
  /// Of a file that is not there, in the folder with that device and inode.
  private var name: String?

  var exists: Bool { name == nil }

  init(_ path: String) {
    var status = stat()
    var url = URL(fileURLWithPath: path)
    // Links to what is not there yet: writing may make it.
    for _ in 0..<40 {
      guard stat(url.path, &status) != 0,
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: url.path)
      else { break }
      url = URL(fileURLWithPath: target, relativeTo: url.deletingLastPathComponent()).absoluteURL
    }
    if stat(url.path, &status) == 0 {
      (device, inode, name) = (UInt64(status.st_dev), UInt64(status.st_ino), nil)
    } else if stat(url.deletingLastPathComponent().path, &status) == 0 {
      (device, inode, name) = (UInt64(status.st_dev), UInt64(status.st_ino), url.lastPathComponent)
    } else {
      (device, inode, name) = (0, 0, url.standardizedFileURL.path)
    }
  }
}

extension CommandFiles {
  /// What `run`, `calibrate` and `compare` are given besides their models and clips, and the models beside a model.
  mutating func read(_ options: SamplingOptions, beside model: String) {
    read(options.texts, "a file of text embeddings")
    read(options.negativeText, "the file of the negative text")
    readAdapter(options.adapter)
    for companion in Companion.allCases {
      readModel(options.companions[companion] ?? companion.found(beside: model), "the model for \(companion.rawValue)")
    }
  }

  /// An adapter may be given by name: then there is no such file, or one that is not read.
  mutating func readAdapter(_ adapter: String?) {
    if let adapter, adapter.hasSuffix(".yaml") || adapter.contains("/") { read(adapter, "the adapter") }
  }
}
